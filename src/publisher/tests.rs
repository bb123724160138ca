//! Tests what an image that is observed again keeps of what was known, and what the publisher counts.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::declare::ClassSpec;
use crate::log::memory::{Faults, MemoryLog};
use crate::observe::ObservedTag;
use crate::record::{TagHistoryRecord, TagItem};

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

/// Moments of one tag; its target is the second, unless one is named.
fn moments(items: &[(i64, Option<i64>)]) -> ObservedTag {
    let item = |(second, target): &(i64, Option<i64>)| TagItem {
        since: Timestamp::from_second(*second).unwrap(),
        digest: Some(Digest::of(&target.unwrap_or(*second).to_be_bytes())),
        images: Vec::new(),
    };
    let items = items.iter().map(item).collect();
    ObservedTag { source: None, repository: "app".to_owned(), tag: "1".to_owned(), items, complete: false }
}

#[test]
fn as_few_parts_of_a_history_are_read_as_an_observation_needs() {
    let log = Arc::new(MemoryLog::new(1, Faults::none()));
    let mut publisher = Publisher::restore(log, || Timestamp::UNIX_EPOCH).unwrap();
    let all: Vec<(i64, Option<i64>)> = (0..100).map(|second| (10 * second, None)).collect();
    publisher.observe(Observation::Tag(moments(&all))).unwrap();
    publisher.flush().unwrap();
    let size = TagHistoryRecord::ITEMS;
    let whole = u32::try_from(99 / size).unwrap();
    for (seen, unread, news) in [
        // No target, one that stands in a part, a later one, one between the targets of the third part, the first of all.
        (&[][..], whole, 0),
        (&[(200, None)][..], whole, 0),
        (&[(5_000, None)][..], whole, 1),
        (&[(200, None), (165, Some(1))][..], 2, 1),
        (&[(-1, None)][..], 0, 1),
    ] {
        let mut known = publisher.published_tag("app:1").unwrap().unwrap();
        let mut observed = moments(seen);
        publisher.read_for(&mut known, &mut observed).unwrap();
        assert_eq!((known.parts.end, observed.items.len()), (unread, news), "{seen:?}");
        assert_eq!(known.history.len() + known.parts.end as usize * size, 99, "{seen:?}");
    }
}

/// A move of one of three tags, or an image or an image index that they lead to.
fn by_chance(random: &mut fastrand::Rng) -> Observation {
    let target = random.i64(0..6);
    let digest = Digest::of(&target.to_be_bytes());
    let mut seen = moments(&[(random.i64(0..200), Some(target))]);
    seen.tag = random.u8(0..3).to_string();
    match random.u8(0..12) {
        0 => Observation::Image(Box::new(ImageRecord { digest, ..image(&[&target.to_string()]) })),
        1 => Observation::ImageIndex(
            digest,
            vec![TagImage { digest: Digest::of(b"of the index"), platform: None }],
        ),
        2 => Observation::Tag(ObservedTag { source: Some("registry".to_owned()), ..seen }),
        _ => Observation::Tag(seen),
    }
}

/// A class that follows a tag, and counts tags of the same repository as earlier versions.
fn followed(tag: &str) -> ClassSpec {
    let from = json!({"kind": "DockerImage", "name": tag});
    ClassSpec {
        name: "base".to_owned(),
        labels: BTreeMap::new(),
        from: serde_json::from_value(from).unwrap(),
        versions: serde_json::from_value(json!({"tags": ["*"]})).unwrap(),
        rebuild: None,
    }
}

#[test]
fn moves_that_are_put_off_come_out_as_those_that_are_merged_at_once() {
    let new =
        || Publisher::restore(Arc::new(MemoryLog::new(4, Faults::none())), || Timestamp::UNIX_EPOCH).unwrap();
    let (mut put_off, mut followed_versions) = (0, 0);
    for seed in 0..200 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let (mut at_once, mut later) = (new(), new());
        for publisher in [&mut at_once, &mut later] {
            publisher.apply_class(&followed("app:0")).unwrap();
        }
        for step in 0..random.usize(1..80) {
            let seen = by_chance(random);
            at_once.observe(seen.clone()).unwrap();
            // It remembers no record of a tag.
            later.cache = Cache::default();
            later.observe(seen).unwrap();
            put_off += later.pending.deferred.len();
            if random.u8(0..5) == 0 {
                at_once.flush().unwrap();
                later.flush().unwrap();
                assert!(later.pending.deferred.is_empty() && later.pending.tag_items == 0);
            }
            if random.u8(0..9) == 0 || step == 0 {
                let name = format!("app:{}", random.u8(0..3));
                let of = |publisher: &mut Publisher| {
                    let tag = publisher.whole_tag(&name).unwrap();
                    tag.map(|tag| TagRecord { sequence: 0, ..tag })
                };
                assert_eq!(of(&mut later), of(&mut at_once), "seed {seed}, step {step}");
            }
        }
        for publisher in [&mut at_once, &mut later] {
            publisher.flush().unwrap();
        }
        for tag in 0..3 {
            let name = format!("app:{tag}");
            let of = |publisher: &mut Publisher| {
                let tag = publisher.whole_tag(&name).unwrap().map(|tag| TagRecord { sequence: 0, ..tag });
                let partitions: Option<BTreeSet<u16>> =
                    publisher.places.tag(&name).map(|of| of.partitions().collect());
                (tag, partitions)
            };
            assert_eq!(of(&mut later), of(&mut at_once), "seed {seed}");
        }
        let versions = |publisher: &Publisher| -> Vec<_> {
            let class = publisher.catalog().class("base").unwrap();
            class.versions().map(|version| (version.digest, version.since, version.origin)).collect()
        };
        assert_eq!(versions(&later), versions(&at_once), "seed {seed}");
        followed_versions += versions(&later).len();
    }
    assert!(followed_versions > 100, "{followed_versions}");
    assert!(put_off > 1_000, "{put_off}");
}
