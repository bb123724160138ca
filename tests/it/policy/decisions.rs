//! Decisions about what runs: what stands on the topic, and when it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use clade::decisions::{DecideError, Decisions};
use clade::declare::PolicySpec;
use clade::log::TopicPartition;
use clade::observe::Observation;
use clade::policy::{Behind, Decision, Verdict};
use clade::query::{Query, Tally};
use clade::record::{
    ContainerRole, DecisionRecord, Record, RunningImage, RunningKind, Timestamp, Topic, WorkloadContainer,
    WorkloadImage, WorkloadRecord,
};
use serde_json::{Value as Json, json};

use crate::domain::worked_example;
use crate::support::{World, digest, fold, workload};

const NOW: Behind = Behind::By(Duration::ZERO);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A workload that runs this image.
fn run(world: &mut World, name: &str, image: &str) {
    let running = RunningImage { digest: digest(image), kind: RunningKind::Digest };
    let image = WorkloadImage {
        asked: format!("registry/{image}:1"),
        running: Some(running),
        platform: None,
        pods: 1,
        since: None,
    };
    world.see(Observation::Workload(Box::new(workload("shop", name, vec![image]))));
}

fn declare(world: &mut World, spec: Json) {
    let policy = PolicySpec { name: "current".to_owned(), policy: serde_json::from_value(spec).unwrap() };
    world.publisher.apply_policy(&policy).unwrap();
}

/// The outcome of a round.
#[derive(Debug)]
struct Decided {
    tally: Option<Tally>,
    until: Option<Timestamp>,
    written: usize,
}

fn decide(
    world: &mut World,
    decisions: &mut Decisions,
    now: Timestamp,
    behind: Behind,
) -> Result<Decided, DecideError> {
    let judged = decisions.judge(&world.query_of_workloads(), now, behind)?;
    let (tally, until) = (judged.tally.clone(), judged.until);
    Ok(Decided { tally, until, written: decisions.write(judged, now)? })
}

/// The number of records that a round writes.
fn written(world: &mut World, decisions: &mut Decisions, second: i64) -> usize {
    decide(world, decisions, at(second), NOW).unwrap().written
}

fn standing(world: &World) -> BTreeMap<String, DecisionRecord> {
    fold(&*world.log)
}

/// The worked example with three workloads: on the current version, on an outdated one, and on an image that was never seen.
fn world() -> World {
    let mut world = worked_example();
    run(&mut world, "new", "app3");
    run(&mut world, "old", "app1");
    run(&mut world, "strange", "never");
    declare(&mut world, json!({"require": {"classes": ["base"], "state": "Current"}, "action": "Warn"}));
    world
}

#[test]
fn a_decision_stands_on_the_topic_until_it_changes() {
    let mut world = world();
    let mut decisions = Decisions::open(&*world.log).unwrap();
    let decided = decide(&mut world, &mut decisions, at(1_000), NOW).unwrap();
    let counts = decided.tally.unwrap().policies["current"];
    assert_eq!((decided.written, counts.all(), counts.violating, counts.unknown), (2, 3, 1, 1));
    let on_topic = standing(&world);
    let keys: Vec<&str> = on_topic.keys().map(String::as_str).collect();
    assert_eq!(keys, ["shop/Deployment/old", "shop/Deployment/strange"]);
    let old = &on_topic["shop/Deployment/old"];
    assert_eq!((old.verdict, old.decision, old.decided), (Verdict::Violating, Decision::Warn, at(1_000)));
    let finding = &old.findings[0];
    let judgement = &finding.judgement;
    assert_eq!((judgement.policy.as_str(), judgement.reason.as_str()), ("current", "Outdated"));
    assert_eq!(finding.digest, Some(digest("app1")));
    assert_eq!(written(&mut world, &mut decisions, 2_000), 0, "nothing has changed but the time");
    assert_eq!(standing(&world), on_topic);
}

#[test]
fn a_base_that_moves_makes_what_runs_violating_and_one_that_is_rolled_back_clears_it() {
    let mut world = world();
    let mut decisions = Decisions::open(&*world.log).unwrap();
    written(&mut world, &mut decisions, 1_000);
    let before = standing(&world);
    world.images(&[("base@v4", &["A", "D"])]).tag("base:latest", &["base@v4"]);
    assert_eq!(
        written(&mut world, &mut decisions, 1_001),
        2,
        "new violates now, and old is told of another base"
    );
    assert_eq!(standing(&world)["shop/Deployment/new"].verdict, Verdict::Violating);
    world.tag("base:latest", &["base@v3"]);
    assert_eq!(written(&mut world, &mut decisions, 1_002), 2);
    let after = standing(&world);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    world.see(Observation::WorkloadGone("kubernetes".to_owned(), "shop/Deployment/old".to_owned()));
    assert_eq!(written(&mut world, &mut decisions, 1_003), 1);
    assert!(!standing(&world).contains_key("shop/Deployment/old"), "it is gone");
}

#[test]
fn a_grace_that_is_over_makes_what_runs_violating_though_nobody_does_anything() {
    let mut world = world();
    let replaced = world.query().explain_one(&digest("app2").to_string()).unwrap().newer[0].outdated_since;
    run(&mut world, "old", "app2");
    declare(
        &mut world,
        json!({"require": {"classes": ["base"], "state": "Current", "grace": "1h"}, "action": "Deny"}),
    );
    let mut decisions = Decisions::open(&*world.log).unwrap();
    let ends = replaced + Duration::from_secs(3_600);
    let before = ends - Duration::from_secs(1);
    let decided = decide(&mut world, &mut decisions, before, NOW).unwrap();
    assert_eq!(decided.until, Some(ends), "the next round is due then");
    assert!(!standing(&world).contains_key("shop/Deployment/old"));
    decide(&mut world, &mut decisions, ends, NOW).unwrap();
    assert_eq!(standing(&world)["shop/Deployment/old"].decision, Decision::Deny);
}

#[test]
fn old_knowledge_changes_no_decision() {
    let mut world = world();
    let mut decisions = Decisions::open(&*world.log).unwrap();
    written(&mut world, &mut decisions, 1_000);
    let before = standing(&world);
    run(&mut world, "old", "app3");
    let behind = Behind::By(Duration::from_secs(61));
    let decided = decide(&mut world, &mut decisions, at(2_000), behind).unwrap();
    assert_eq!((decided.written, decided.tally), (0, None), "nor a number");
    assert_eq!(standing(&world), before);
    assert_eq!(written(&mut world, &mut decisions, 2_001), 1);
}

#[test]
fn a_second_process_takes_over_what_stands_and_the_first_writes_no_more() {
    let mut world = world();
    let mut first = Decisions::open(&*world.log).unwrap();
    written(&mut world, &mut first, 1_000);
    let mut second = Decisions::open(&*world.log).unwrap();
    assert_eq!(written(&mut world, &mut second, 2_000), 0, "the decisions of the first one stand");
    run(&mut world, "new", "app2");
    let refused = decide(&mut world, &mut first, at(3_000), NOW);
    assert!(matches!(refused, Err(DecideError::Fenced)), "{refused:?}");
    assert_eq!(written(&mut world, &mut second, 3_000), 1);
    assert_eq!(standing(&world)["shop/Deployment/new"].decided, at(3_000));
}

#[test]
fn a_decision_that_cannot_be_read_is_replaced_or_deleted() {
    let mut world = world();
    for name in ["new", "old"] {
        let key = format!("shop/Deployment/{name}");
        let nonsense = Record { key, value: Some(b"{}".to_vec()), headers: Vec::new() };
        let place = TopicPartition { topic: Topic::Decisions, partition: 0 };
        world.log.writer("a later version").unwrap().append(vec![(place, nonsense)]).unwrap();
    }
    let mut decisions = Decisions::open(&*world.log).unwrap();
    assert_eq!(written(&mut world, &mut decisions, 1_000), 3, "new is deleted, old replaced, strange is new");
    assert_eq!(standing(&world).len(), 2);
}

#[test]
fn nobody_is_judged_while_a_class_has_come_to_some_partitions_only() {
    let mut world = world();
    world.process();
    assert!(Query::new(world.view.snapshot()).has_one_catalog());
    world.class("late", "base:latest").process_only(0);
    assert!(!Query::new(world.view.snapshot()).has_one_catalog());
    assert!(world.query().has_one_catalog());
}

#[test]
fn a_workload_with_many_containers_and_long_names_of_images_stops_nobodys_decisions() {
    let mut world = world();
    for number in 0..20 {
        let policy = PolicySpec {
            name: format!("more-{number}"),
            policy: serde_json::from_value(json!({"require": {"classes": ["base"]}})).unwrap(),
        };
        world.publisher.apply_policy(&policy).unwrap();
    }
    let long = |number| WorkloadImage {
        asked: format!("{}/{number}", "\u{10ffff}".repeat(2_500)),
        running: None,
        platform: None,
        pods: 1,
        since: None,
    };
    let containers = (0..25).map(|number| WorkloadContainer {
        role: ContainerRole::Container,
        name: format!("container-{number}"),
        images: vec![long(number)],
    });
    let hostile =
        WorkloadRecord { containers: containers.collect(), ..workload("shop", "hostile", Vec::new()) };
    world.see(Observation::Workload(Box::new(hostile)));
    let mut decisions = Decisions::open(&*world.log).unwrap();
    assert_eq!(written(&mut world, &mut decisions, 1_000), 3);
    let hostile = &standing(&world)["shop/Deployment/hostile"];
    assert!(!hostile.findings.is_empty() && hostile.findings.len() as u64 + hostile.more == 25 * 21);
}
