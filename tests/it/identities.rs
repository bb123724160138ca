//! docs/concepts.md, sections 2 and 8: versions of which the blobs are known, the diff IDs, or both.

use clade::observe::Observation;
use clade::oci::LayerIdentity;

use crate::domain::{CURRENT, OUTDATED};
use crate::support::{World, digest, image};

const REPOSITORY: &str = "registry.example/base";
const FOLLOWED: &str = "registry.example/base:12";

/// The same image, read with its config.
fn with_diff_ids(name: &str, layers: &[&str]) -> Observation {
    let mut image = image(name, layers);
    image.layer_identity = LayerIdentity::DiffId;
    for (layer, of) in image.layers.iter_mut().zip(layers) {
        layer.diff_id = Some(digest(&format!("unpacked {of}")));
    }
    Observation::Image(Box::new(image))
}

#[test]
fn a_version_whose_diff_ids_become_known_is_the_same_version_by_diff_ids() {
    let mut world = World::new();
    world
        .images(&[("base", &["A"])])
        .tag(FOLLOWED, &["base"])
        .class("base", FOLLOWED)
        .process()
        .see(with_diff_ids("base", &["A"]))
        .see(with_diff_ids("app", &["A", "X"]));
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("base"))));
    assert_eq!(world.class_item("base").status.history.len(), 0, "it is no other version");
}

#[test]
fn images_of_which_only_blobs_are_known_are_compared_with_the_blobs_of_a_version() {
    let mut world = World::new();
    world
        .images(&[("app", &["A", "X"]), ("other", &["unpacked A", "X"])])
        .see(with_diff_ids("base", &["A"]))
        .tag(FOLLOWED, &["base"])
        .class("base", FOLLOWED);
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("base"))));
    assert_eq!(world.state("other", "base"), None, "a blob is no diff ID");
    world.see(with_diff_ids("new", &["B"])).tag(FOLLOWED, &["new"]);
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("base"))));
}

#[test]
fn an_image_known_by_its_blobs_stays_a_member_when_the_diff_ids_of_its_base_become_known() {
    let mut world = World::new();
    world
        .images(&[("base", &["A"]), ("app", &["A", "X"])])
        .tag(FOLLOWED, &["base"])
        .class("base", FOLLOWED)
        .process()
        .see(with_diff_ids("base", &["A"]));
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("base"))));
}

#[test]
fn diff_ids_of_an_imported_history_are_wanted_until_the_registry_has_shown_them() {
    let mut world = World::new();
    let mut imported = image("old", &["A"]);
    imported.sources.clear();
    imported.repositories = vec![REPOSITORY.to_owned()];
    world
        .see(Observation::Image(Box::new(imported)))
        .see(with_diff_ids("new", &["B"]))
        .see(with_diff_ids("app", &["A", "X"]))
        .tag(FOLLOWED, &["old"])
        .tag(FOLLOWED, &["new"])
        .class("base", FOLLOWED)
        .process();
    assert_eq!(world.state("app", "base"), None, "of the old base only the blobs are known");
    let wanted = world.publisher.wanted();
    assert_eq!(wanted.get(REPOSITORY), Some(&[digest("old")].into()));
    world.see(with_diff_ids("old", &["A"]));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("old"))));
    assert!(world.publisher.wanted().is_empty(), "all is known");
}

#[test]
fn blobs_that_become_known_after_diff_ids_count_as_well() {
    let mut world = World::new();
    let by_config = || {
        let mut image = image("base", &["unpacked A"]);
        image.layer_identity = LayerIdentity::DiffId;
        image.layers[0].diff_id = Some(digest("unpacked A"));
        Observation::Image(Box::new(image))
    };
    world
        .images(&[("app", &["A", "X"])])
        .see(by_config())
        .tag(FOLLOWED, &["base"])
        .class("base", FOLLOWED)
        .process();
    assert_eq!(world.state("app", "base"), None, "of the base only the diff IDs are known");
    world.see(with_diff_ids("base", &["A"]));
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("base"))));
}
