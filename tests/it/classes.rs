//! docs/concepts.md: the rules of classes and of outdated events.

use clade::observe::Observation;
use clade::oci::{Digest, Platform};
use clade::query::{Filter, Page};
use clade::record::TransitionRecord;
use clade::record::outdated::Standing;

use crate::domain::{CURRENT, OUTDATED, explain, worked_example};
use crate::support::{World, class, digest, image, image_gone, transitions};

// Section 4: classes.

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
    for version in [["amd 1", "arm 1"], ["amd 2", "arm 1"], ["amd 2", "arm 2"], ["amd 3", "arm 2"]] {
        world.tag("base:1", &version).process();
    }
    let mut behind = |app: &str| {
        let newer = explain(&mut world, app).newer.remove(0);
        (newer.versions_behind, newer.current, newer.since.to_string())
    };
    assert_eq!(behind("arm app"), (1, Some(digest("arm 2")), "1970-01-01T00:03:00Z".to_owned()));
    assert_eq!(behind("amd app"), (2, Some(digest("amd 3")), "1970-01-01T00:04:00Z".to_owned()));
    // Without an image for the platform there is one move more.
    world.tag("base:1", &["amd 3"]).tag("base:1", &["amd 2"]);
    let newer = explain(&mut world, "arm app").newer.remove(0);
    assert_eq!((newer.versions_behind, newer.current), (2, None));
}

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
    assert_eq!(status.history[0].until, status.current.unwrap().since);
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
    let tags =
        world.query().list_tags(&Filter::default(), &Page { limit: Some(3), ..Page::default() }).unwrap();
    let tags: Vec<_> = tags.iter().collect();
    assert_eq!(tags.iter().map(|tag| &*tag.name).collect::<Vec<_>>(), ["app:000", "app:001", "app:002"]);
    assert_eq!((tags[0].images[0].tags.len(), tags[0].images[0].more_tags), (100, 50));
    let images =
        world.query().list_images(&Filter::default(), &Page { limit: Some(1), ..Page::default() }).unwrap();
    let images: Vec<_> = images.iter().map(|image| (image.tags.len(), image.more_tags)).collect();
    assert_eq!(images, [(150, 0)]);
}

#[test]
fn a_list_of_images_has_the_first_of_them_by_repository_and_digest() {
    let mut world = World::new();
    for number in 0..20 {
        let mut image = image(&format!("app {number}"), &["A", "B"]);
        image.repositories = vec![format!("shop/{}", number % 7)];
        world.see(Observation::Image(Box::new(image)));
    }
    let mut list = |limit| {
        world
            .query()
            .list_images(&Filter::default(), &Page { limit: Some(limit), ..Page::default() })
            .unwrap()
    };
    let items: Vec<_> = list(usize::MAX).iter().collect();
    assert_eq!(items.len(), 20);
    assert!(items.is_sorted_by_key(|item| (item.repositories.clone(), item.digest)));
    for limit in [1, 9, 20, 21] {
        let found: Vec<_> = list(limit).iter().collect();
        assert_eq!(found, items[..limit.min(20)], "{limit}");
    }
}
