//! Tests what an image that is observed again keeps of what was known, and what the publisher counts.

use serde_json::json;

use super::*;

/// An image of these layers, by blob.
fn image(layers: &[&str]) -> ImageRecord {
    let layers: Vec<_> = layers.iter().map(|layer| json!({"digest": Digest::of(layer.as_bytes())})).collect();
    let image = json!({
        "digest": Digest::of(b"image"), "sequence": 0, "platform": {"os": "linux", "architecture": "amd64"},
        "layerIdentity": "blob", "layers": layers,
    });
    serde_json::from_value(image).unwrap()
}

/// The same image, read with its config: by diff ID.
fn with_diff_ids(mut image: ImageRecord) -> ImageRecord {
    image.layer_identity = LayerIdentity::DiffId;
    for layer in &mut image.layers {
        layer.diff_id = Some(Digest::of(layer.digest.to_string().as_bytes()));
    }
    image
}

fn merged(mut image: ImageRecord, known: &ImageRecord) -> ImageRecord {
    merge(&mut image, known);
    image
}

#[test]
fn diff_ids_that_are_known_stay_known_if_the_layers_are_the_same() {
    let known = with_diff_ids(image(&["a", "b"]));
    let again = merged(image(&["a", "b"]), &known);
    assert_eq!((again.layer_identity, &again.layers), (LayerIdentity::DiffId, &known.layers));
}

#[test]
fn diff_ids_of_other_layers_are_not_taken_over() {
    let known = with_diff_ids(image(&["a", "b"]));
    for layers in [&["a"][..], &["a", "c"], &["b", "a"], &["a", "b", "c"], &[]] {
        let again = merged(image(layers), &known);
        assert_eq!(again.layer_identity, LayerIdentity::Blob, "{layers:?}");
        assert_eq!(again.layers, image(layers).layers);
    }
    let mut lacking = known.clone();
    lacking.layers[1].diff_id = None;
    assert_eq!(merged(image(&["a", "b"]), &lacking).layer_identity, LayerIdentity::Blob);
    let by_blob = ImageRecord { layer_identity: LayerIdentity::Blob, ..known.clone() };
    assert!(merged(image(&["a", "b"]), &by_blob).layers.iter().all(|layer| layer.diff_id.is_none()));
    // Nothing known is no reason to call an image without layers one by diff ID.
    assert_eq!(merged(image(&[]), &with_diff_ids(image(&[]))).layer_identity, LayerIdentity::Blob);
}

#[test]
fn an_image_that_is_read_with_its_config_keeps_its_own_diff_ids() {
    let (mut other, own) = (with_diff_ids(image(&["a"])), with_diff_ids(image(&["a"])));
    other.layers[0].diff_id = Some(Digest::of(b"other"));
    assert_eq!(merged(own.clone(), &other).layers, own.layers);
}

#[test]
fn counts_since_a_moment_are_the_difference_and_unknown_claims_the_present_number() {
    let of = |n: u64| Counts {
        images: n,
        unchanged_images: 2 * n,
        tags: 3 * n,
        build_configs: 4 * n,
        workloads: 8 * n,
        dead_letters: 5 * n,
        not_images: 6 * n,
        unknown_claims: n,
    };
    assert_eq!(of(7) - of(5), Counts { unknown_claims: 7, ..of(2) });
}
