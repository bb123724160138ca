//! OCI image layouts.

use clade::oci::Digest;
use serde_json::{Value, json};

use super::Bench;
use crate::support::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Writes an image into a layout. Returns the descriptor of its manifest.
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

/// buildah writes them into images without a base. They once were a claim, and such an image counted as claimed.
#[test]
fn empty_annotations_and_labels_claim_nothing_and_hide_no_others() {
    let bench = Bench::new();
    let empty =
        json!({"org.opencontainers.image.base.name": "", "org.opencontainers.image.base.digest": " "});
    let base = layout_image(&bench, &["A"], &empty);
    let mut told = named(layout_image(&bench, &["B"], &empty), "told");
    told["annotations"]["org.opencontainers.image.base.name"] = json!("base:1");
    let config = json!({"os": "linux", "architecture": "amd64", "config": {"Labels": {
        "org.opencontainers.image.base.name": "", "com.docker.dhi.chain-id": ""}},
        "rootfs": {"type": "layers", "diff_ids": [digest("C")]}});
    bench.file("config.json", config.to_string());
    bench.file("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = json!({"schemaVersion": 2, "manifests": [named(base, "base"), told]});
    let imported = bench.file("layout/index.json", index.to_string()).import();
    let claims = |image: &str| imported.query().explain(image).unwrap().remove(0).claims;
    assert_eq!(claims("layout:base").len(), 0);
    assert_eq!(claims(&Digest::of(config.to_string().as_bytes()).to_string()).len(), 0);
    let told = claims("layout:told");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].claim.name.as_deref(), Some("base:1"));
}

#[test]
fn a_broken_layout_tells_each_fault_and_the_rest_is_imported() {
    let bench = Bench::new();
    let good = layout_image(&bench, &["A"], &json!({}));
    let missing = json!({"mediaType": MANIFEST, "digest": digest("missing"), "size": 1});
    let wrong = json!({"mediaType": MANIFEST, "digest": digest("wrong"), "size": 1});
    bench.file(&format!("layout/blobs/sha256/{}", digest("wrong").hex()), "{}");
    // An index cannot contain its own digest; one whose blob is not checked could. These indexes lie deeper in one
    // another than anybody nests them.
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

#[test]
fn indexes_that_list_one_another_many_times_are_read_once_each() {
    let bench = Bench::new();
    let mut inner = layout_image(&bench, &["A"], &json!({}));
    for depth in 0..7 {
        let manifests = vec![inner; 20];
        let annotations = json!({"depth": depth.to_string()});
        inner = bench.blob("layout", INDEX, &json!({"manifests": manifests, "annotations": annotations}));
    }
    let imported =
        bench.file("layout/index.json", json!({"manifests": [named(inner, "1")]}).to_string()).import();
    assert_eq!(imported.query().images("layout:1").unwrap().len(), 1);
}

#[test]
fn null_is_the_same_as_absent_and_an_entry_that_is_none_costs_no_other() {
    let bench = Bench::new();
    let one = layout_image(&bench, &["A"], &Value::Null);
    let mut other = named(layout_image(&bench, &["B"], &json!({"a": null, "b": 1})), "other");
    other["size"] = json!("large");
    let config =
        bench.blob("layout", CONFIG, &json!({"os": null, "rootfs": {"diff_ids": null}, "created": null}));
    let empty = bench.blob("layout", MANIFEST, &json!({"config": config, "layers": null}));
    let manifests = json!([null, named(one, "one"), {"digest": 1}, other, named(empty, "empty")]);
    let index = json!({"annotations": null, "manifests": manifests});
    let imported = bench.file("layout/index.json", index.to_string()).import();
    let places: Vec<String> = imported.dead_letters().into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["index.json:manifests[1]", "index.json:manifests[3]"]);
    for name in ["one", "other", "empty"] {
        assert_eq!(imported.query().images(&format!("layout:{name}")).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn a_name_that_is_no_tag_is_told() {
    let bench = Bench::new();
    let names = ["2.0+build7", "topic/thing", "Upper:1", "quay.io/team/app", "good"];
    let manifests: Vec<Value> =
        names.iter().map(|name| named(layout_image(&bench, &["A", name], &json!({})), name)).collect();
    let imported = bench.file("layout/index.json", json!({"manifests": manifests}).to_string()).import();
    assert_eq!(imported.images(), names.len());
    for found in ["layout:good", "quay.io/team/app:latest"] {
        assert_eq!(imported.query().images(found).unwrap().len(), 1, "{found}");
    }
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert!(letters.iter().all(|(_, reason)| reason.contains("neither a tag nor")), "{letters:?}");
}

#[test]
fn layouts_and_blobs_behind_links_are_read_and_circles_of_links_are_none() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    let image = layout_image(&bench, &["A"], &json!({}));
    bench.file("layout/index.json", json!({"manifests": [named(image, "1")]}).to_string());
    let elsewhere = tempfile::tempdir().unwrap();
    let (inside, outside) = (bench.files.path(), elsewhere.path());
    std::fs::rename(inside.join("layout"), outside.join("layout")).unwrap();
    std::fs::rename(outside.join("layout/blobs/sha256"), outside.join("blobs")).unwrap();
    symlink(outside.join("blobs"), outside.join("layout/blobs/sha256")).unwrap();
    symlink(outside.join("layout"), inside.join("linked")).unwrap();
    symlink(outside.join("layout"), inside.join("twice")).unwrap();
    symlink(inside, inside.join("circle")).unwrap();
    symlink(inside.join("nothing"), inside.join("broken")).unwrap();
    let imported = bench.import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
}

#[test]
fn an_empty_layer_is_known_by_its_diff_id_however_it_was_filled_up() {
    let bench = Bench::new();
    let image = |ids: &[Digest]| {
        let layers: Vec<Value> =
            ids.iter().map(|id| json!({"digest": digest(&format!("stored {id}")), "size": 1})).collect();
        let config = bench.blob("layout", CONFIG, &json!({"rootfs": {"diff_ids": ids}}));
        bench.blob("layout", MANIFEST, &json!({"config": config, "layers": layers}))
    };
    let empty = Digest::of(&[0; 10 << 10]);
    let names = [("only", vec![empty]), ("app", vec![empty, digest("A")]), ("plain", vec![digest("A")])];
    let manifests: Vec<Value> = names.iter().map(|(name, ids)| named(image(ids), name)).collect();
    let imported = bench.file("layout/index.json", json!({"manifests": manifests}).to_string()).import();
    assert_eq!(imported.ancestors("layout:app"), []);
    let explained = imported.query().explain("layout:app").unwrap().remove(0);
    assert_eq!(explained.equivalents.len(), 1);
}

#[test]
fn the_provenance_beside_an_image_in_a_layout_claims_the_bases_of_its_build() {
    let bench = Bench::new();
    let app = layout_image(&bench, &["A", "B"], &json!({}));
    let statement = json!({"predicateType": "https://slsa.dev/provenance/v1", "predicate": {"buildDefinition": {
        "resolvedDependencies": [{"uri": "pkg:docker/base@12?platform=linux%2Famd64", "digest": {"sha256": digest("base").hex()}}]}}});
    let mut statement = bench.blob("layout", "application/vnd.in-toto+json", &statement);
    statement["annotations"] = json!({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"});
    let config = bench.blob("layout", CONFIG, &json!({"os": "unknown", "architecture": "unknown"}));
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [statement]});
    let mut attestation = bench.blob("layout", MANIFEST, &manifest);
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": app["digest"]});
    let index = bench.blob("layout", INDEX, &json!({"schemaVersion": 2, "manifests": [app, attestation]}));
    let index = json!({"schemaVersion": 2, "manifests": [named(index, "app:1")]});
    bench.file("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let imported = bench.file("layout/index.json", index.to_string()).import();
    assert_eq!(imported.dead_letters(), []);
    assert_eq!((imported.counts.images, imported.counts.not_images), (1, 1));
    let claim = imported.query().explain("app:1").unwrap().remove(0).claims.remove(0).claim;
    assert_eq!(claim.name.as_deref(), Some("base:12"));
    assert_eq!(claim.digest, Some(digest("base").to_string()));
}
