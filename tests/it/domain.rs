//! docs/concepts.md: its worked example, and each of its rules.

use clade::observe::Observation;
use clade::oci::layer::EMPTY_LAYERS;
use clade::oci::{Digest, LayerIdentity, Platform};
use clade::query::answer::Explanation;
use clade::record::image::Evidence;
use clade::record::outdated::Standing;
use clade::record::{Claim, Layer, State, TransitionRecord};

use crate::support::{World, class, digest, image, image_gone, transitions};

const CURRENT: State = State::Current;
const OUTDATED: State = State::Outdated;

/// Sorted, as a set is told.
fn all(names: &[&str]) -> Vec<Digest> {
    let mut digests: Vec<Digest> = names.iter().map(|name| digest(name)).collect();
    digests.sort_unstable();
    digests
}

fn explain(world: &mut World, name: &str) -> Explanation {
    world.query().explain(&digest(name).to_string()).unwrap().remove(0)
}

/// Section 5.
fn worked_example() -> World {
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

#[test]
fn a_move_that_gave_the_platform_no_other_image_puts_nobody_further_behind() {
    let mut world = World::new();
    let arm = |name: &str, layers: &[&str]| {
        let mut image = image(name, layers);
        image.platform = Platform::new("linux", "arm64");
        Observation::Image(Box::new(image))
    };
    world
        .images(&[("amd 1", &["A"]), ("amd 2", &["B"]), ("amd 3", &["C"]), ("amd app", &["A", "X"])])
        .see(arm("arm 1", &["P"]))
        .see(arm("arm 2", &["Q"]))
        .see(arm("arm app", &["P", "X"]))
        .class("base", "base:1");
    // The last move of a tag counts once the tag rests.
    for version in [["amd 1", "arm 1"], ["amd 2", "arm 1"], ["amd 2", "arm 2"], ["amd 3", "arm 2"]] {
        world.tag("base:1", &version).process();
    }
    let mut behind = |app: &str| {
        let newer = explain(&mut world, app).newer.remove(0);
        (newer.versions_behind, newer.current, newer.since.to_string())
    };
    assert_eq!(behind("arm app"), (1, Some(digest("arm 2")), "1970-01-01T00:03:00Z".to_owned()));
    assert_eq!(behind("amd app"), (1, Some(digest("amd 2")), "1970-01-01T00:02:00Z".to_owned()));
    // Without an image for the platform there is one move more.
    world.tag("base:1", &["amd 3"]).tag("base:1", &["amd 2"]);
    let newer = explain(&mut world, "arm app").newer.remove(0);
    assert_eq!((newer.versions_behind, newer.current), (2, None));
}

// Section 4: classes.

#[test]
fn the_image_that_a_class_follows_and_its_equivalents_are_members() {
    let mut world = World::new();
    world.images(&[("base", &["A"]), ("twin", &["A"])]).tag("base:1", &["base"]).class("base", "base:1");
    assert_eq!(world.state("base", "base"), Some((CURRENT, digest("base"))));
    assert_eq!(world.state("twin", "base"), Some((CURRENT, digest("base"))));
}

#[test]
fn a_class_created_later_takes_over_the_history_that_the_tag_still_has() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v2", &["B"]), ("app", &["A", "X"])])
        .tag("base:1", &["v1"])
        .tag("base:1", &["v2"])
        .process();
    world.class("base", "base:1");
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    let status = world.class_item("base").status;
    assert_eq!(status.history.len(), 1);
    assert_eq!(status.history[0].until, Some(status.current.unwrap().since));
}

#[test]
fn history_is_kept_after_the_old_images_are_pruned() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v2", &["B"]), ("app", &["A", "X"])])
        .class("base", "base:1")
        .tag("base:1", &["v1"])
        .process()
        .tag("base:1", &["v2"])
        .process()
        .see(image_gone("v1"));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    world.images(&[("late", &["A", "L"])]);
    assert_eq!(world.state("late", "base"), Some((OUTDATED, digest("v1"))));
}

#[test]
fn the_same_content_published_again_is_no_new_version() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v1 again", &["A"]), ("app", &["A", "X"])])
        .class("base", "base:1")
        .tag("base:1", &["v1"])
        .process()
        .tag("base:1", &["v1 again"]);
    assert_eq!(world.state("app", "base").map(|(state, _)| state), Some(CURRENT));
    assert_eq!(world.class_item("base").status.history, []);
}

#[test]
fn a_class_rolled_back_to_a_shorter_image_makes_images_on_the_longer_one_outdated() {
    let mut world = World::new();
    world
        .images(&[("short", &["A"]), ("long", &["A", "B"]), ("app", &["A", "B", "X"])])
        .class("base", "base:1")
        .tag("base:1", &["short"])
        .tag("base:1", &["long"]);
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("long"))));
    world.tag("base:1", &["short"]);
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("long"))));
}

#[test]
fn a_class_whose_tag_is_gone_keeps_its_last_version_and_says_so() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("app", &["A", "X"])])
        .class("base", "base:1")
        .tag("base:1", &["v1"])
        .process()
        .tag("base:1", &[]);
    assert_eq!(world.state("app", "base"), Some((CURRENT, digest("v1"))));
    let conditions = world.class_item("base").status.conditions;
    let told: Vec<_> = conditions.iter().map(|of| (&*of.kind, &*of.status, &*of.reason)).collect();
    assert_eq!(told, [("Ready", "True", "Classifying"), ("Following", "False", "TagGone")]);
}

#[test]
fn an_image_is_in_every_class_that_follows_one_of_its_ancestors_and_the_deepest_is_nearest() {
    let mut world = World::new();
    world
        .images(&[("os", &["A"]), ("lang", &["A", "B"]), ("app", &["A", "B", "C"])])
        .tag("os:1", &["os"])
        .tag("lang:1", &["lang"])
        .class("os", "os:1")
        .class("lang", "lang:1");
    let nearest = |standing: Option<clade::query::answer::ClassStanding>| standing.unwrap().nearest;
    assert!(!nearest(world.standing("app", "os")));
    assert!(nearest(world.standing("app", "lang")));
    assert!(nearest(world.standing("os", "os")));
}

#[test]
fn a_group_tells_all_its_classes_that_an_image_is_in_nearest_first() {
    let mut world = World::new();
    world
        .images(&[("os", &["A"]), ("lang", &["A", "B"]), ("app", &["A", "B", "C"])])
        .tag("os:1", &["os"])
        .tag("lang:1", &["lang"]);
    world.publisher.apply_class(&class("os", "os:1", &[("vendor", "redhat")])).unwrap();
    world.publisher.apply_class(&class("lang", "lang:1", &[("vendor", "python")])).unwrap();
    world.publisher.apply_group(&crate::support::group("vendor", "vendor")).unwrap();
    assert_eq!(world.item("app").groups["vendor"], ["lang", "os"]);
    assert_eq!(world.item("os").groups["vendor"], ["os"]);
    world.publisher.apply_class(&class("os", "os:1", &[])).unwrap();
    assert_eq!(world.item("app").groups["vendor"], ["lang"]);
    assert!(world.item("os").groups.is_empty());
    world.publisher.delete_group("vendor").unwrap();
    assert!(world.item("app").groups.is_empty());
}

#[test]
fn a_class_that_is_deleted_is_taken_off_every_image() {
    let mut world = worked_example();
    assert!(!world.classifications().is_empty());
    world.publisher.delete_class("base").unwrap();
    assert!(world.classifications().is_empty());
    assert_eq!(world.state("app1", "base"), None);
}

#[test]
fn a_class_created_anew_under_an_old_name_has_another_generation() {
    let mut world = worked_example();
    let generation =
        |world: &mut World| world.classifications()[&digest("app1").to_string()].classes[0].generation;
    let first = generation(&mut world);
    world.publisher.delete_class("base").unwrap();
    world.class("base", "base:latest");
    assert!(generation(&mut world) > first);
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("base@v1"))));
}

#[test]
fn an_image_that_is_deleted_is_in_no_answer() {
    let mut world = worked_example();
    world.process().see(image_gone("app1"));
    assert!(!world.classifications().contains_key(&digest("app1").to_string()));
    assert!(!world.descendants("base@v1").contains(&digest("app1")));
    assert_eq!(explain(&mut world, "app1conf").equivalents, []);
}

// Section 6: outdated events.

#[test]
fn a_transition_says_from_what_to_what_on_which_base_and_under_which_tags() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v2", &["B"]), ("app", &["A", "X"])])
        .class("base", "base:1")
        .tag("base:1", &["v1"])
        .tag("shop:1", &["app"])
        .tag("shop:latest", &["app"])
        .process()
        .tag("base:1", &["v2"])
        .process()
        .see(image_gone("app"))
        .process();
    let of_app: Vec<TransitionRecord> =
        transitions(&*world.log).into_iter().filter(|event| event.digest == digest("app")).collect();
    let standing = |state| Some(Standing { state, version: digest("v1") });
    let steps: Vec<_> = of_app.iter().map(|event| (event.from, event.to, event.current)).collect();
    assert_eq!(
        steps,
        [
            (None, standing(CURRENT), Some(digest("v1"))),
            (standing(CURRENT), standing(OUTDATED), Some(digest("v2"))),
            (standing(OUTDATED), None, Some(digest("v2"))),
        ]
    );
    assert_eq!(of_app[1].tags, ["shop:1", "shop:latest"]);
    let mut ids: Vec<Digest> = of_app.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each transition has an id of its own");
}

#[test]
fn the_same_history_has_the_same_transitions_with_the_same_ids() {
    let ids = || {
        let mut world = worked_example();
        world.process();
        transitions(&*world.log).into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert!(!ids().is_empty());
    assert_eq!(ids(), ids());
}

/// A build that changes nothing is tagged by number: a list of such tags must not grow with the square of their number.
#[test]
fn in_a_list_of_tags_an_image_of_very_many_names_a_hundred_and_the_number_of_the_others() {
    let mut world = World::new();
    world.images(&[("app", &["A"])]);
    for number in 0..150 {
        world.tag(&format!("app:{number:03}"), &["app"]);
    }
    let query = world.query();
    let tags = query.list_tags(&clade::query::Filter::default(), 3).unwrap();
    assert_eq!(tags.iter().map(|tag| &*tag.name).collect::<Vec<_>>(), ["app:000", "app:001", "app:002"]);
    assert_eq!((tags[0].images[0].tags.len(), tags[0].images[0].more_tags), (100, 50));
    let images = query.list_images(&clade::query::Filter::default()).unwrap();
    assert_eq!((images[0].tags.len(), images[0].more_tags), (150, 0));
}
