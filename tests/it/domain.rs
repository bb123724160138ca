//! docs/concepts.md: its worked example, and each of its rules.

use clade::observe::Observation;
use clade::oci::layer::EMPTY_LAYERS;
use clade::oci::{Digest, LayerIdentity, Platform};
use clade::query::answer::Explanation;
use clade::record::image::Evidence;
use clade::record::{Claim, Layer, State};

use crate::support::{World, digest, image};

pub(crate) const CURRENT: State = State::Current;
pub(crate) const OUTDATED: State = State::Outdated;

/// Sorted, as a set is told.
fn all(names: &[&str]) -> Vec<Digest> {
    let mut digests: Vec<Digest> = names.iter().map(|name| digest(name)).collect();
    digests.sort_unstable();
    digests
}

pub(crate) fn explain(world: &mut World, name: &str) -> Explanation {
    world.query().explain(&digest(name).to_string()).unwrap().remove(0)
}

/// Section 5.
pub(crate) fn worked_example() -> World {
    let mut world = World::new();
    world
        .images(&[
            ("base@v1", &["A", "B", "C"]),
            ("base@v2", &["A", "B", "C", "D"]),
            ("base@v3", &["A", "X"]),
            ("app1", &["A", "B", "C", "E"]),
            ("app2", &["A", "B", "C", "D", "E"]),
            ("app3", &["A", "X", "Y"]),
            ("other", &["A", "Z"]),
            ("app1conf", &["A", "B", "C", "E"]),
            ("turned", &["B", "A", "C"]),
        ])
        .class("base", "base:latest")
        .tag("base:latest", &["base@v1"])
        .tag("base:latest", &["base@v2"])
        .tag("base:latest", &["base@v3"]);
    world
}

#[test]
fn the_worked_example_comes_out_as_it_is_written() {
    let mut world = worked_example();
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("base@v1"))));
    assert_eq!(world.state("app2", "base"), Some((OUTDATED, digest("base@v2"))));
    assert_eq!(world.state("app3", "base"), Some((CURRENT, digest("base@v3"))));
    assert_eq!(world.state("other", "base"), None);
    assert_eq!(world.state("app1conf", "base"), Some((OUTDATED, digest("base@v1"))));
    assert_eq!(explain(&mut world, "app1conf").equivalents, [digest("app1")]);
    assert_eq!(world.state("turned", "base"), None);
    assert_eq!(world.ancestors("turned"), []);
    world.tag("base:latest", &["base@v1"]);
    assert_eq!(world.state("app1", "base"), Some((CURRENT, digest("base@v1"))));
    assert_eq!(world.state("app2", "base"), Some((OUTDATED, digest("base@v2"))));
    assert_eq!(world.state("app3", "base"), Some((OUTDATED, digest("base@v3"))));
}

// Section 2: layers and chains.

#[test]
fn empty_layers_are_in_no_chain() {
    let mut world = World::new();
    let mut child = image("child", &["A", "B"]);
    for (at, empty) in EMPTY_LAYERS.iter().enumerate() {
        child.layers.insert(at, Layer { digest: empty.parse().unwrap(), diff_id: None, size: None });
    }
    world.images(&[("base", &["A"])]).see(Observation::Image(Box::new(child)));
    assert_eq!(world.ancestors("child"), [digest("base")]);
    assert_eq!(world.item("child").layers, 2);
}

#[test]
fn a_layer_that_stands_twice_counts_twice() {
    let mut world = World::new();
    world.images(&[("once", &["A"]), ("twice", &["A", "A"]), ("thrice", &["A", "A", "A"])]);
    assert_eq!(world.ancestors("thrice"), [digest("twice"), digest("once")]);
    assert_eq!(world.descendants("once"), all(&["twice", "thrice"]));
}

#[test]
fn an_image_without_layers_is_based_on_nothing_and_nothing_is_based_on_it() {
    let mut world = World::new();
    world.images(&[("scratch", &[]), ("void", &[]), ("base", &["A"])]);
    assert_eq!(world.ancestors("scratch"), []);
    assert_eq!(world.descendants("scratch"), []);
    let explanation = explain(&mut world, "scratch");
    assert_eq!(explanation.equivalents, []);
    assert_eq!(explanation.verdict, "has no layers: based on nothing, and nothing is based on it");
    world.tag("scratch:latest", &["scratch"]).class("scratch", "scratch:latest");
    assert_eq!(world.state("void", "scratch"), None);
    assert_eq!(world.class_item("scratch").status.conditions[0].reason, "NoLayers");
}

#[test]
fn blobs_and_diff_ids_do_not_meet_in_one_chain() {
    let mut world = World::new();
    let mut by_diff_id = image("by diff ID", &["x", "y"]);
    by_diff_id.layer_identity = LayerIdentity::DiffId;
    by_diff_id.layers[0].diff_id = Some(digest("A"));
    by_diff_id.layers[1].diff_id = Some(digest("B"));
    world.images(&[("by blob", &["A"])]).see(Observation::Image(Box::new(by_diff_id)));
    assert_eq!(world.ancestors("by diff ID"), []);
    assert_eq!(world.descendants("by blob"), []);
    assert_eq!(explain(&mut world, "by diff ID").layer_identity, LayerIdentity::DiffId);
}

// Section 8: what else identifies an image.

#[test]
fn an_image_id_or_its_beginning_names_every_image_with_that_config() {
    let mut world = World::new();
    let recompressed = |name: &str, layers: &[&str], config: &str| {
        let mut image = image(name, layers);
        image.config_digest = Some(digest(config));
        Observation::Image(Box::new(image))
    };
    world
        .see(recompressed("gzip", &["A"], "config"))
        .see(recompressed("zstd", &["B"], "config"))
        .see(recompressed("other", &["C"], "other config"))
        .images(&[("unknown config", &["D"])]);
    let query = world.query();
    let id = digest("config").to_string();
    let both = all(&["gzip", "zstd"]);
    for reference in [&id, &id["sha256:".len()..], &id["sha256:".len()..][..12]] {
        assert_eq!(query.images(reference), Ok(both.clone()), "{reference}");
    }
    assert_eq!(world.item("zstd").image_id, Some(digest("config")));
    assert_eq!(world.item("unknown config").image_id, None);
}

#[test]
fn a_name_that_nothing_has_is_refused_with_what_may_have_been_meant() {
    let mut world = World::new();
    world
        .images(&[("app", &["A"])])
        .tag("registry.example/shop/app:1", &["app"])
        .tag("registry.example/shop/app:2", &["app"]);
    let query = world.query();
    let told = |reference: &str| query.resolve(reference).unwrap_err().to_string();
    assert!(
        told("shop/app:1").ends_with("did you mean \"registry.example/shop/app:1\"?"),
        "{}",
        told("shop/app:1")
    );
    let both = "did you mean \"registry.example/shop/app:1\" or \"registry.example/shop/app:2\"?";
    assert!(told("registry.example/shop/app").ends_with(both), "{}", told("registry.example/shop/app"));
    assert!(told("app").ends_with(both));
    assert!(told("ab1").ends_with("needs at least 4 digits"));
    assert!(told("nothing:1").ends_with("is called so"));
}

#[test]
fn an_image_that_a_class_follows_is_not_said_to_be_built_on_it() {
    let mut world = World::new();
    world
        .images(&[("base", &["A"]), ("twin", &["A"]), ("app", &["A", "B"])])
        .tag("base:1", &["base"])
        .class("base", "base:1");
    assert_eq!(explain(&mut world, "base").verdict, "is a version of class base (current)");
    let twin = explain(&mut world, "twin").verdict;
    assert!(
        twin.starts_with("has the very layers of ") && twin.ends_with("a version of class base (current)"),
        "{twin}"
    );
    assert!(explain(&mut world, "app").verdict.starts_with("built on class base (current)"));
}

// Section 3: the relation.

#[test]
fn ancestors_are_told_nearest_first_and_descendants_are_strictly_below() {
    let mut world = World::new();
    world.images(&[("a", &["A"]), ("b", &["A", "B", "C"]), ("c", &["A", "B", "C", "D"]), ("x", &["A", "X"])]);
    assert_eq!(world.ancestors("c"), [digest("b"), digest("a")]);
    assert_eq!(world.descendants("a"), all(&["b", "c", "x"]));
    assert_eq!(world.descendants("c"), []);
}

#[test]
fn images_with_the_same_layers_are_equivalent_and_neither_above_nor_below_each_other() {
    let mut world = World::new();
    world.images(&[("one", &["A", "B"]), ("other", &["A", "B"]), ("child", &["A", "B", "C"])]);
    assert_eq!(world.ancestors("one"), []);
    assert_eq!(world.descendants("one"), [digest("child")]);
    assert_eq!(explain(&mut world, "one").equivalents, [digest("other")]);
    let mut above = world.ancestors("child");
    above.sort_unstable();
    assert_eq!(above, all(&["one", "other"]));
}

#[test]
fn a_claim_stands_beside_the_proof_and_is_not_mixed_up_with_it() {
    let mut world = World::new();
    let claim =
        |name: &str| Claim { evidence: Evidence::Annotation, name: Some(name.to_owned()), digest: None };
    world
        .images(&[("base", &["A"]), ("child", &["A", "B"]), ("squashed", &["S"])])
        .tag("base:1", &["base"])
        .class("base", "base:1")
        .see(Observation::Claim(digest("child"), claim("base:1")))
        .see(Observation::Claim(digest("squashed"), claim("base:1")));
    let proven = explain(&mut world, "child");
    assert_eq!(proven.claims[0].by_layers, "proven");
    let squashed = explain(&mut world, "squashed");
    assert_eq!(squashed.claims[0].by_layers, "not-proven");
    assert_eq!(squashed.bases, []);
    assert_eq!(squashed.verdict, "unknown by layers; claimed: base:1");
    assert_eq!(world.state("squashed", "base"), None);
}

#[test]
fn an_image_that_nothing_known_is_the_beginning_of_is_unknown_by_layers() {
    let mut world = World::new();
    world.images(&[("flat", &["F"])]);
    assert_eq!(
        explain(&mut world, "flat").verdict,
        "unknown by layers: no known image is the beginning of it"
    );
}

#[test]
fn a_class_on_a_tag_of_several_platforms_has_one_version_with_a_chain_for_each() {
    let mut world = World::new();
    let mut arm = image("arm", &["ARM"]);
    arm.platform = Platform::new("linux", "arm64");
    let mut arm_app = image("arm app", &["ARM", "X"]);
    arm_app.platform = arm.platform.clone();
    world
        .images(&[("amd", &["AMD"]), ("amd app", &["AMD", "X"])])
        .see(Observation::Image(Box::new(arm)))
        .see(Observation::Image(Box::new(arm_app)))
        .tag("base:1", &["amd", "arm"])
        .class("base", "base:1");
    assert_eq!(world.state("amd app", "base"), Some((CURRENT, digest("amd"))));
    assert_eq!(world.state("arm app", "base"), Some((CURRENT, digest("arm"))));
    assert_eq!(world.standing("arm app", "base").unwrap().current, Some(digest("arm")));
    let status = world.class_item("base").status;
    assert_eq!(status.current.unwrap().images.len(), 2);
    assert_eq!(status.history, []);
}
