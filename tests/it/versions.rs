//! docs/concepts.md, sections 4 and 8: versions of a class that nobody saw the followed tag point at.

use clade::declare::ClassSpec;
use clade::observe::Observation;
use clade::oci::Digest;
use clade::query::{Filter, Page};
use clade::record::image::Evidence;
use clade::record::{Claim, Origin, Timestamp, VersionSources};

mod remembered;

use crate::domain::{CURRENT, OUTDATED, explain};
use crate::support::{World, class, digest, image};

const REPOSITORY: &str = "registry.example/base";
const FOLLOWED: &str = "registry.example/base:12";

/// The class *base*, which follows a tag and takes the tags of these patterns for versions as well.
fn with_patterns(patterns: &[&str]) -> ClassSpec {
    let tags = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    ClassSpec { versions: VersionSources { tags, claims: true }, ..class("base", FOLLOWED, &[]) }
}

fn built(name: &str, layers: &[&str], day: i64) -> Observation {
    let mut image = image(name, layers);
    image.created = Some(Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap());
    image.repositories = vec![REPOSITORY.to_owned()];
    Observation::Image(Box::new(image))
}

fn in_repository(repository: &str, name: &str, layers: &[&str]) -> Observation {
    let mut image = image(name, layers);
    image.repositories = vec![repository.to_owned()];
    Observation::Image(Box::new(image))
}

/// An image that claims to be built on a base.
fn claiming(name: &str, layers: &[&str], base: &str, at: Digest) -> Observation {
    let mut image = image(name, layers);
    let (base, digest) = (Some(base.to_owned()), Some(at.to_string()));
    image.claims = vec![Claim { evidence: Evidence::Label, name: base, digest }];
    Observation::Image(Box::new(image))
}

/// Three versions in the repository, of which the followed tag has pointed at the last one only.
fn three_versions() -> World {
    let mut world = World::new();
    world
        .see(built("v1", &["A"], 1))
        .see(built("v2", &["B"], 2))
        .see(built("v3", &["C"], 3))
        .images(&[("app1", &["A", "X"]), ("app2", &["B", "X"]), ("app3", &["C", "X"])])
        .tag("registry.example/base:12-2", &["v2"])
        .tag("registry.example/base:12-1", &["v1"])
        .tag("registry.example/base:12-1-slim", &["v1"])
        .tag(FOLLOWED, &["v3"]);
    world
}

fn origins(world: &mut World) -> Vec<(Digest, Origin)> {
    let status = world.class_item("base").status;
    status.current.into_iter().chain(status.history).map(|version| (version.digest, version.origin)).collect()
}

#[test]
fn tags_that_a_pattern_names_are_earlier_versions_in_the_order_of_their_builds() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(world.state("app2", "base"), Some((OUTDATED, digest("v2"))));
    assert_eq!(world.state("app3", "base"), Some((CURRENT, digest("v3"))));
    assert_eq!(
        origins(&mut world),
        [(digest("v3"), Origin::Observed), (digest("v2"), Origin::Pattern), (digest("v1"), Origin::Pattern)]
    );
    let version = world.class_item("base").status.history.remove(1);
    assert_eq!((version.since, version.until), (None, None), "nobody knows when");
    assert_eq!(version.tag.as_deref(), Some("registry.example/base:12-1"));
    let explained = explain(&mut world, "app1");
    assert_eq!(explained.image.classes[0].origin, Origin::Pattern);
    let newer = &explained.newer[0];
    assert_eq!((newer.versions_behind, newer.at_least), (2, true));
    assert_eq!(newer.outdated_since, newer.since);
}

#[test]
fn a_range_of_versions_is_a_pattern_as_well() {
    let mut world = World::new();
    world
        .see(built("v9.3", &["A"], 1))
        .see(built("v9.4", &["B"], 2))
        .images(&[("app", &["A", "X"])])
        .tag("registry.example/base:9.3", &["v9.3"])
        .tag(FOLLOWED, &["v9.4"]);
    world.publisher.apply_class(&with_patterns(&[">=9.2, <10"])).unwrap();
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v9.3"))));
}

#[test]
fn a_tag_that_comes_later_and_that_a_pattern_names_is_a_version_from_then_on() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    world.process().see(built("v0", &["Z"], 0)).images(&[("app0", &["Z", "X"])]);
    assert_eq!(world.state("app0", "base"), None);
    world.tag("registry.example/base:12-0", &["v0"]);
    assert_eq!(world.state("app0", "base"), Some((OUTDATED, digest("v0"))));
    world.tag("registry.example/other:12-9", &["app3"]);
    assert_eq!(world.class_item("base").status.history.len(), 3, "another repository gives no versions");
}

#[test]
fn a_version_by_a_pattern_that_the_followed_tag_moves_to_is_observed_and_current() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    world.process().tag(FOLLOWED, &["v2"]);
    assert_eq!(world.state("app2", "base"), Some((CURRENT, digest("v2"))));
    assert_eq!(
        origins(&mut world),
        [(digest("v2"), Origin::Observed), (digest("v3"), Origin::Observed), (digest("v1"), Origin::Pattern)]
    );
}

#[test]
fn patterns_give_no_versions_before_the_followed_tag_is_there() {
    let mut world = World::new();
    world
        .see(built("v1", &["A"], 1))
        .images(&[("app1", &["A", "X"])])
        .tag("registry.example/base:12-1", &["v1"]);
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    assert_eq!(world.state("app1", "base"), None);
    world.see(built("v3", &["C"], 3)).tag(FOLLOWED, &["v3"]);
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("v1"))));
}

#[test]
fn a_pattern_that_is_taken_back_takes_its_versions_with_it() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-*"])).unwrap();
    world.process();
    world.publisher.apply_class(&with_patterns(&["12-2"])).unwrap();
    assert_eq!(world.state("app1", "base"), None);
    assert_eq!(world.state("app2", "base"), Some((OUTDATED, digest("v2"))));
    world.publisher.apply_class(&with_patterns(&[])).unwrap();
    assert_eq!(world.state("app2", "base"), None);
    assert_eq!(world.state("app3", "base"), Some((CURRENT, digest("v3"))));
}

#[test]
fn a_pattern_that_is_none_is_refused_with_its_place() {
    let mut world = World::new();
    for (pattern, told) in [("base:12", "spec.versions.tags"), (">=twelve", "no range of versions")] {
        let refused = world.publisher.apply_class(&with_patterns(&[pattern])).unwrap_err().to_string();
        assert!(refused.contains(told) && refused.contains(pattern), "{refused}");
    }
}

/// The class *base* with a version that a claim names and that no tag points at.
fn claimed_version() -> World {
    let mut world = World::new();
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .see(in_repository(REPOSITORY, "v1", &["A"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(claiming("app", &["A", "X"], FOLLOWED, digest("v1")));
    world
}

#[test]
fn a_claimed_digest_that_the_repository_has_is_an_earlier_version() {
    let mut world = World::new();
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(claiming("app", &["A", "X"], FOLLOWED, digest("v1")))
        .images(&[("silent", &["A", "Y"])])
        .process();
    assert_eq!(world.state("app", "base"), None);
    let wanted = world.publisher.wanted();
    assert_eq!(wanted[REPOSITORY], [digest("v1")].into());
    // The registry has it, and no tag points at it.
    world.see(in_repository(REPOSITORY, "v1", &["A"]));
    for app in ["app", "silent"] {
        assert_eq!(world.state(app, "base"), Some((OUTDATED, digest("v1"))), "{app}");
        let explained = explain(&mut world, app);
        assert_eq!(explained.image.classes[0].origin, Origin::Claimed);
        assert!(explained.newer[0].at_least);
    }
    assert_eq!(origins(&mut world)[1], (digest("v1"), Origin::Claimed));
}

#[test]
fn the_order_in_which_claim_base_and_class_come_makes_no_difference() {
    let claim = || claiming("app", &["A", "X"], FOLLOWED, digest("v1"));
    let base = || in_repository(REPOSITORY, "v1", &["A"]);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = World::new();
        world.see(in_repository(REPOSITORY, "v2", &["B"])).tag(FOLLOWED, &["v2"]);
        for step in order {
            match step {
                0 => world.see(claim()),
                1 => world.see(base()),
                _ => world.class("base", FOLLOWED),
            };
            world.process();
        }
        assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))), "{order:?}");
    }
}

#[test]
fn a_claimed_image_index_is_a_version_once_its_images_stand_in_the_repository() {
    let mut world = World::new();
    let index = digest("index of v1");
    let image_of = |name: &str| clade::record::TagImage { digest: digest(name), platform: None };
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(claiming("app", &["A", "X"], FOLLOWED, index))
        .process();
    assert_eq!(world.publisher.wanted()[REPOSITORY], [index].into());
    world
        .see(in_repository(REPOSITORY, "v1", &["A"]))
        .see(Observation::ImageIndex(index, vec![image_of("v1")]));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(origins(&mut world)[1], (index, Origin::Claimed));
}

#[test]
fn a_claimed_image_index_that_was_known_elsewhere_counts_once_the_repository_has_it() {
    let mut world = World::new();
    let index = digest("index of v1");
    let entries = || vec![clade::record::TagImage { digest: digest("v1"), platform: None }];
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(in_repository("registry.example/mirror", "v1", &["A"]))
        .see(Observation::ImageIndex(index, entries()))
        .see(claiming("app", &["A", "X"], FOLLOWED, index));
    assert_eq!(world.state("app", "base"), None);
    assert_eq!(world.publisher.wanted()[REPOSITORY], [index].into());
    world.see(in_repository(REPOSITORY, "v1", &["A"])).see(Observation::ImageIndex(index, entries()));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
}

#[test]
fn an_imported_version_that_the_history_of_the_tag_has_as_well_is_observed() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v2", &["B"]), ("app", &["A", "X"])])
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .process()
        .see(imported("v1", &["A"], Some(30)))
        .process()
        .see(crate::support::tag(FOLLOWED, 30, &["v1"]));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(origins(&mut world), [(digest("v2"), Origin::Observed), (digest("v1"), Origin::Observed)]);
}

#[test]
fn a_stranger_makes_no_version_of_an_image_that_stands_elsewhere() {
    let mut world = World::new();
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(in_repository("registry.example/evil", "own", &["E"]))
        .see(claiming("evil", &["E", "X"], FOLLOWED, digest("own")))
        .see(claiming("elsewhere", &["F", "X"], "evil.example/base:12", digest("own")));
    assert_eq!(world.state("evil", "base"), None);
    assert_eq!(world.state("own", "base"), None);
    assert_eq!(origins(&mut world), [(digest("v2"), Origin::Observed)]);
    // clade asks the repository that the class follows, and no other.
    let wanted = world.publisher.wanted();
    assert_eq!(wanted.keys().collect::<Vec<_>>(), [REPOSITORY]);
}

#[test]
fn claims_never_make_a_current_member() {
    let mut world = World::new();
    world
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .see(in_repository(REPOSITORY, "of another tag", &["E"]))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(claiming("evil", &["E", "X"], FOLLOWED, digest("of another tag")));
    assert_eq!(world.state("evil", "base"), Some((OUTDATED, digest("of another tag"))));
    assert_eq!(explain(&mut world, "evil").image.classes[0].origin, Origin::Claimed);
}

#[test]
fn an_administrator_can_forbid_versions_by_claims() {
    let mut world = claimed_version();
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    let versions = VersionSources { tags: Vec::new(), claims: false };
    world.publisher.apply_class(&ClassSpec { versions, ..class("base", FOLLOWED, &[]) }).unwrap();
    assert_eq!(world.state("app", "base"), None);
    assert!(world.publisher.wanted().is_empty());
}

fn imported(name: &str, layers: &[&str], since: Option<i64>) -> Observation {
    let line = serde_json::json!({
        "version_of": FOLLOWED, "digest": digest(name),
        "since": since.map(|second| Timestamp::from_second(second).unwrap()),
        "images": [{"digest": digest(name), "layer_identity": "blob",
            "layers": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>()}],
    });
    clade::source::observe_line(line.to_string().as_bytes()).unwrap()
}

#[test]
fn an_imported_version_makes_outdated_members_and_keeps_its_time() {
    let mut world = World::new();
    world
        .images(&[("v2", &["B"]), ("app", &["A", "X"]), ("older", &["Z", "X"])])
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .see(imported("v1", &["A"], Some(30)))
        .see(imported("v0", &["Z"], None))
        .see(imported("v2 of elsewhere", &["B"], Some(10)));
    assert_eq!(world.state("app", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(world.state("older", "base"), Some((OUTDATED, digest("v0"))));
    assert_eq!(
        origins(&mut world),
        [(digest("v2"), Origin::Observed), (digest("v1"), Origin::History), (digest("v0"), Origin::History)]
    );
    let history = world.class_item("base").status.history;
    assert_eq!(history[0].since, Some(Timestamp::from_second(30).unwrap()));
    assert_eq!(history[0].until, Some(Timestamp::from_second(60).unwrap()));
    assert!(!explain(&mut world, "app").newer[0].at_least, "the history says when");
    assert!(explain(&mut world, "older").newer[0].at_least);
    // Importing it again changes nothing.
    let before = world.class_item("base");
    world.see(imported("v1", &["A"], Some(30)));
    assert_eq!(world.class_item("base"), before);
}

#[test]
fn a_version_of_a_tag_that_no_class_follows_or_has_seen_is_a_dead_letter_that_says_what_to_do() {
    let mut world = World::new();
    let letters = |world: &mut World| -> Vec<String> {
        world.process();
        let log = clade::log::SharedLog::clone(&world.log);
        let mut reasons = Vec::new();
        let place = clade::log::TopicPartition { topic: clade::record::Topic::DeadLetters, partition: 0 };
        clade::log::for_each(&*log, place, |stored| {
            let letter = clade::record::decode::<clade::record::DeadLetterRecord>(&stored.record);
            reasons.extend(letter.unwrap().map(|letter| letter.reason));
        })
        .unwrap();
        reasons
    };
    world.see(imported("v1", &["A"], None));
    assert!(letters(&mut world)[0].contains("clade apply"));
    world.class("base", FOLLOWED).process().see(imported("v1", &["A"], None));
    assert!(letters(&mut world).iter().any(|reason| reason.contains("has no current version yet")));
}

#[test]
fn what_one_clade_exports_another_one_imports() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    let lines: Vec<_> = world.query().versions(None).unwrap().collect();
    assert_eq!(lines.iter().map(|line| line.digest).collect::<Vec<_>>(), ["v1", "v2", "v3"].map(digest));

    let mut other = World::new();
    other
        .images(&[("v3", &["C"]), ("app1", &["A", "X"]), ("app2", &["B", "X"])])
        .tag(FOLLOWED, &["v3"])
        .class("os", FOLLOWED)
        .process();
    for line in &lines {
        let text = serde_json::to_string(line).unwrap();
        other.see(clade::source::observe_line(text.as_bytes()).unwrap());
    }
    assert_eq!(other.state("app1", "os"), Some((OUTDATED, digest("v1"))));
    assert_eq!(other.state("app2", "os"), Some((OUTDATED, digest("v2"))));
    let again: Vec<_> = other.query().versions(Some("os")).unwrap().map(|line| line.digest).collect();
    assert_eq!(again, ["v1", "v2", "v3"].map(digest));
}

#[test]
fn versions_that_rest_on_claims_are_not_exported() {
    let mut world = claimed_version();
    assert_eq!(origins(&mut world).len(), 2);
    let exported: Vec<_> = world.query().versions(None).unwrap().map(|line| line.digest).collect();
    assert_eq!(exported, [digest("v2")]);
}

#[test]
fn a_restart_knows_the_same_versions_and_wants_the_same_digests() {
    let mut world = three_versions();
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    world.see(claiming("app", &["Y", "X"], FOLLOWED, digest("v0"))).process();
    let before = (origins(&mut world), world.publisher.wanted());
    world.publisher = clade::publisher::Publisher::restore(clade::log::SharedLog::clone(&world.log), || {
        Timestamp::UNIX_EPOCH
    })
    .unwrap();
    let after = (origins(&mut world), world.publisher.wanted());
    assert_eq!(before, after);
}

#[test]
fn an_old_version_that_was_observed_is_not_asked_for_again_once_its_image_is_gone() {
    let mut world = World::new();
    world
        .see(in_repository(REPOSITORY, "v1", &["A"]))
        .tag(FOLLOWED, &["v1"])
        .class("base", FOLLOWED)
        .see(claiming("app", &["A", "X"], FOLLOWED, digest("v1")))
        .process()
        .see(in_repository(REPOSITORY, "v2", &["B"]))
        .tag(FOLLOWED, &["v2"])
        .process()
        .see(crate::support::image_gone("v1"))
        .process()
        .see(claiming("other", &["A", "Y"], FOLLOWED, digest("v1")));
    assert_eq!(world.state("other", "base"), Some((OUTDATED, digest("v1"))));
    assert!(world.publisher.wanted().is_empty(), "{:?}", world.publisher.wanted());
}

#[test]
fn an_imported_version_that_is_observed_as_well_keeps_the_platforms_that_are_pruned_here() {
    let mut world = World::new();
    let line = serde_json::json!({
        "version_of": FOLLOWED, "digest": digest("index"), "since": "1970-01-01T00:00:30Z",
        "images": [
            {"digest": digest("amd"), "layer_identity": "blob", "layers": [digest("A")]},
            {"digest": digest("arm"), "layer_identity": "blob", "layers": [digest("P")],
                "platform": {"os": "linux", "architecture": "arm64"}},
        ],
    });
    let mut app = image("arm app", &["P", "X"]);
    app.platform = clade::oci::Platform::new("linux", "arm64");
    let Observation::Tag(mut observed) = crate::support::tag(FOLLOWED, 30, &["amd", "arm"]) else {
        unreachable!()
    };
    observed.items[0].digest = Some(digest("index"));
    world
        .images(&[("v2", &["B"]), ("amd", &["A"])])
        .see(Observation::Image(Box::new(app)))
        .tag(FOLLOWED, &["v2"])
        .class("base", FOLLOWED)
        .process()
        .see(clade::source::observe_line(line.to_string().as_bytes()).unwrap());
    assert_eq!(world.state("arm app", "base"), Some((OUTDATED, digest("arm"))));
    world.see(Observation::Tag(observed));
    assert_eq!(world.state("arm app", "base"), Some((OUTDATED, digest("arm"))));
    assert_eq!(origins(&mut world).len(), 2);
}

#[test]
fn a_version_by_a_pattern_of_which_another_platform_becomes_known_is_still_one_version() {
    let mut world = World::new();
    let mut arm = image("arm", &["P"]);
    arm.platform = clade::oci::Platform::new("linux", "arm64");
    world
        .images(&[("v2", &["B"]), ("amd", &["A"])])
        .tag(FOLLOWED, &["v2"])
        .tag("registry.example/base:12-1", &["amd", "arm"]);
    world.publisher.apply_class(&with_patterns(&["12-?"])).unwrap();
    world.process();
    assert_eq!(origins(&mut world).len(), 2);
    world.see(Observation::Image(Box::new(arm)));
    let history = world.class_item("base").status.history;
    assert_eq!(history.iter().map(|version| version.images.len()).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_version_that_began_after_the_current_one_is_not_imported_as_an_earlier_one() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("newer", &["N", "X"])])
        .tag(FOLLOWED, &["v1"])
        .class("base", FOLLOWED)
        .see(imported("v2", &["N"], Some(1_000)))
        .see(imported("v1 as seen elsewhere", &["A"], Some(1_000)));
    assert_eq!(world.state("newer", "base"), None);
    assert_eq!(origins(&mut world), [(digest("v1"), Origin::Observed)]);
    assert_eq!(world.publisher.counts().dead_letters, 1, "the version that is there as well is none");
}

#[test]
fn an_image_keeps_a_bounded_number_of_claims() {
    let mut world = World::new();
    world.images(&[("app", &["A"])]);
    for number in 0..1_000 {
        let name = Some(format!("base-{number}:1"));
        let claim = Claim { evidence: Evidence::Provenance, name, digest: None };
        world.see(Observation::Claim(digest("app"), claim));
    }
    assert_eq!(explain(&mut world, "app").claims.len(), Claim::MOST);
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Base(usize),
    App(usize),
    Tag(&'static str, usize),
    Claim(usize, usize),
    Restart,
}

fn histories(seed: u64) -> Vec<Step> {
    let mut random = fastrand::Rng::with_seed(seed);
    let tags = ["12", "12-1", "12-2", "12.5", "13"];
    let step = |random: &mut fastrand::Rng| match random.u8(0..10) {
        0..3 => Step::Base(random.usize(0..6)),
        3..5 => Step::App(random.usize(0..6)),
        5..8 => Step::Tag(tags[random.usize(0..tags.len())], random.usize(0..6)),
        8 => Step::Claim(random.usize(0..6), random.usize(0..6)),
        _ => Step::Restart,
    };
    (0..random.usize(3..25)).map(|_| step(&mut random)).collect()
}

fn take(world: &mut World, step: &Step) {
    let base = |number: usize| (format!("base {number}"), format!("layer {number}"));
    match step {
        Step::Base(number) => {
            let (name, layer) = base(*number);
            world.see(built(&name, &[&layer], i64::try_from(*number).unwrap()));
        }
        Step::App(number) => {
            let (_, layer) = base(*number);
            world.images(&[(&format!("app {number}"), &[&layer, "X"])]);
        }
        Step::Tag(tag, number) => {
            world.tag(&format!("{REPOSITORY}:{tag}"), &[&base(*number).0]);
        }
        Step::Claim(app, number) => {
            let name = format!("claiming {app} {number}");
            world.see(claiming(&name, &["own", &name], FOLLOWED, digest(&base(*number).0)));
        }
        Step::Restart => {
            world.process();
            let log = clade::log::SharedLog::clone(&world.log);
            world.publisher = clade::publisher::Publisher::restore(log, || Timestamp::UNIX_EPOCH).unwrap();
        }
    }
}

/// A class that has seen everything come has the same members as one that is declared at the end, wherever publications
/// and restarts fall.
#[test]
fn a_class_has_the_same_members_whenever_it_is_declared() {
    for seed in 0..400 {
        let steps = histories(seed);
        let (mut first, mut last) = (World::new(), World::new());
        first.publisher.apply_class(&with_patterns(&["12-?", "12.*"])).unwrap();
        for (number, step) in steps.iter().enumerate() {
            take(&mut first, step);
            if (seed + number as u64).is_multiple_of(3) {
                first.process();
            }
            take(&mut last, step);
        }
        last.publisher.apply_class(&with_patterns(&["12-?", "12.*"])).unwrap();
        let members = |world: &mut World| {
            let images = world.query().list_images(&Filter::default(), &Page::default()).unwrap();
            let standing = |image: clade::query::answer::ImageItem| {
                (image.digest, image.classes.into_iter().map(|of| (of.state, of.version, of.origin)).next())
            };
            images.iter().map(standing).collect::<std::collections::BTreeMap<_, _>>()
        };
        assert_eq!(members(&mut first), members(&mut last), "seed {seed}: {steps:?}");
    }
}
