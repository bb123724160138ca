//! Policies judge what runs as of the time at which it began.

use clade::observe::Observation;
use clade::policy::{Behind, Claimed, Decision, ImageFacts, KnownImage, Verdict};
use clade::query::{NamedPolicy, WorkloadVerdicts, WorkloadsRequest};
use clade::record::{RunningImage, RunningKind, Timestamp, WorkloadImage};
use serde_json::json;

use crate::support::{World, digest, workload};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn image(name: &str, since: Option<i64>) -> WorkloadImage {
    let running = RunningImage { digest: digest(name), kind: RunningKind::Digest };
    let since = since.map(time);
    WorkloadImage { asked: format!("shop/{name}"), running: Some(running), platform: None, pods: 1, since }
}

/// A base that moves at the second 120, and workloads that began before and after.
fn world() -> World {
    let mut world = World::new();
    world.images(&[("v1", &["A"]), ("v2", &["A", "B"]), ("old", &["A", "x"]), ("other", &["Z"])]);
    world.tag("base:1", &["v1"]).class("base", "base:1").tag("base:1", &["v2"]);
    for (name, images) in [
        ("when-it-was-current", vec![image("old", Some(100))]),
        ("when-it-was-outdated", vec![image("old", Some(130))]),
        ("within-grace", vec![image("old", Some(125))]),
        ("both", vec![image("old", Some(90)), image("other", Some(95))]),
        ("long-ago", vec![image("other", Some(10))]),
        ("nobody-knows-when", vec![image("other", None)]),
    ] {
        world.see(Observation::Workload(Box::new(workload("shop", name, images))));
    }
    world
}

fn judged(world: &mut World, since: Option<i64>) -> WorkloadVerdicts {
    let spec = json!({"require": {"classes": ["base"], "state": "Current", "grace": "8s"}, "action": "Deny"});
    let policy = NamedPolicy { name: "current".to_owned(), spec: serde_json::from_value(spec).unwrap() };
    let request =
        WorkloadsRequest { policies: Some(vec![policy]), namespace: None, began_since: since.map(time) };
    world
        .query_of_workloads()
        .workload_verdicts(&request, time(1_000), Behind::By(core::time::Duration::ZERO))
        .unwrap()
}

fn keys(verdicts: &WorkloadVerdicts) -> Vec<&str> {
    verdicts.items.iter().map(|of| of.key.rsplit('/').next().unwrap()).collect()
}

#[test]
fn an_image_is_judged_by_what_was_current_when_it_began_and_those_that_began_earlier_are_left_out() {
    let mut world = world();
    let now = judged(&mut world, None);
    assert_eq!((now.counts.violating, now.counts.all()), (6, 6), "{now:?}");
    let then = judged(&mut world, Some(50));
    assert_eq!((then.counts.allowed, then.counts.violating), (2, 2), "{then:?}");
    assert_eq!((keys(&then), then.unknown_begin), (vec!["both", "when-it-was-outdated"], 1));
    // Of two images that began, one was current and the other is of no class.
    let both = &then.items[0];
    assert_eq!((both.verdict.verdict, both.verdict.decision), (Verdict::Violating, Decision::Deny));
    let verdicts: Vec<Verdict> = both.verdict.containers.iter().map(|of| of.verdict).collect();
    assert_eq!((verdicts, both.began), (vec![Verdict::Allowed, Verdict::Violating], Some(time(95))));
    assert_eq!(judged(&mut world, Some(126)).counts.all(), 1);
    assert_eq!(judged(&mut world, Some(500)).counts.all(), 0);
}

#[test]
fn a_claimed_version_that_was_replaced_later_was_current_too() {
    let claimed = |since: i64| Claimed {
        class: "base".to_owned(),
        is_current: false,
        outdated_since: Some(time(since)),
    };
    let image =
        KnownImage { digest: digest("x"), memberships: Vec::new(), claims: vec![claimed(100), claimed(120)] };
    let facts = ImageFacts { known: vec![image], ..ImageFacts::default() };
    let claims = facts.at(time(110)).known.remove(0).claims;
    assert_eq!(claims, [claimed(100), Claimed { is_current: true, outdated_since: None, ..claimed(120) }]);
}
