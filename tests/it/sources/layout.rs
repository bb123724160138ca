//! OCI image layouts.

use clade::oci::Digest;
use serde_json::{Value, json};

use super::Bench;
use crate::support::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Writes an image into a layout; returns the descriptor of its manifest.
fn layout_image(bench: &Bench, layers: &[&str], annotations: &Value) -> Value {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    let config =
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = bench.blob("layout", CONFIG, &config);
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({"mediaType": "", "digest": digest(&format!("{layer}.gz")), "size": 1}))
        .collect();
    bench.blob(
        "layout",
        MANIFEST,
        &json!({"schemaVersion": 2, "config": config, "layers": layers, "annotations": annotations}),
    )
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    descriptor
}

#[test]
fn an_image_layout_is_read_with_its_nested_indexes_and_claims_and_without_what_is_no_image() {
    let bench = Bench::new();
    let base = layout_image(&bench, &["A"], &json!({}));
    let claims = json!({"org.opencontainers.image.base.name": "base:1", "org.opencontainers.image.base.digest": base["digest"]});
    let app = layout_image(&bench, &["A", "B"], &claims);
    let attestation = json!({"mediaType": MANIFEST, "digest": digest("attestation"), "size": 1,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let nested = bench.blob("layout", INDEX, &json!({"schemaVersion": 2, "manifests": [app, attestation]}));
    let index = json!({"schemaVersion": 2, "manifests": [named(base.clone(), "1"), named(nested, "app:1")]});
    bench.file("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let imported = bench.file("layout/index.json", index.to_string()).import();
    assert_eq!(imported.dead_letters(), []);
    assert_eq!((imported.counts.images, imported.counts.not_images), (2, 1));
    let base: Digest = serde_json::from_value(base["digest"].clone()).unwrap();
    let explanation = imported
        .query()
        .explain(&serde_json::from_value::<String>(app["digest"].clone()).unwrap())
        .unwrap()
        .remove(0);
    assert_eq!(explanation.bases[0].digest, base);
    assert_eq!(explanation.claims[0].by_layers, "proven");
    assert_eq!(explanation.layer_identity, clade::oci::LayerIdentity::DiffId);
    assert_eq!(imported.query().images("app:1").unwrap().len(), 1);
}

#[test]
fn a_broken_layout_tells_each_fault_and_the_rest_is_imported() {
    let bench = Bench::new();
    let good = layout_image(&bench, &["A"], &json!({}));
    let missing = json!({"mediaType": MANIFEST, "digest": digest("missing"), "size": 1});
    let wrong = json!({"mediaType": MANIFEST, "digest": digest("wrong"), "size": 1});
    bench.file(&format!("layout/blobs/sha256/{}", digest("wrong").hex()), "{}");
    // An index cannot contain its own digest; one whose blob is not checked could. Nested deeper than anybody nests:
    let mut deep = good.clone();
    for _ in 0..12 {
        deep = bench.blob("layout", INDEX, &json!({"schemaVersion": 2, "manifests": [deep]}));
    }
    let index = json!({"schemaVersion": 2, "manifests": [missing, wrong, deep, named(good, "good")]});
    let imported = bench.file("layout/index.json", index.to_string()).import();
    assert_eq!(imported.images(), 1);
    let reasons: String = imported.dead_letters().into_iter().map(|(_, reason)| reason + "\n").collect();
    assert_eq!(imported.dead_letters().len(), 3, "{reasons}");
    assert!(reasons.contains("more than 8 deep: is there a circle?"), "{reasons}");
}

/// Eight indexes that name the next one ten times each would be a hundred million images.
#[test]
fn an_index_that_names_another_many_times_names_its_images_once() {
    let bench = Bench::new();
    let mut deep = layout_image(&bench, &["A"], &json!({}));
    for _ in 0..7 {
        deep = bench.blob("layout", INDEX, &json!({"schemaVersion": 2, "manifests": vec![deep; 10]}));
    }
    let index = json!({"schemaVersion": 2, "manifests": [named(deep, "app:1")]});
    let imported = bench.file("layout/index.json", index.to_string()).import();
    assert_eq!((imported.counts.images, imported.images()), (1, 1));
    assert_eq!(imported.query().images("app:1").unwrap().len(), 1);
}
