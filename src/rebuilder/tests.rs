//! Tests the desk against random plans and random outcomes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::desk::{self, Caps, changed};
use super::ledger::Ledger;
use super::*;
use crate::log::memory::{Faults, MemoryLog};
use crate::plan::{Cost, Planned};
use crate::record::rebuild::{Action, TargetState};
use crate::record::{ClassRecord, Target};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn target(number: usize) -> Target {
    Target::BuildConfig { namespace: format!("ns{}", number % 3), name: format!("b{number}") }
}

/// Returns a plan in which each target is built on some of those before it.
fn plan(bases: &[Vec<usize>], limits: serde_json::Value) -> Plan {
    let mut waves: Vec<u32> = Vec::new();
    let mut targets = Vec::new();
    for (number, bases) in bases.iter().enumerate() {
        let bases: Vec<usize> =
            bases.iter().filter(|_| number > 0).map(|base| base % number.max(1)).collect();
        let wave = 1 + bases.iter().map(|base| waves[*base]).max().unwrap_or(0);
        waves.push(wave);
        targets.push(Planned {
            target: target(number),
            wave,
            action: Action::Build,
            reason: serde_json::from_value(json!({"input": "base", "message": "outdated"})).unwrap(),
            after: bases.into_iter().map(target).collect(),
            triggered_by: Vec::new(),
            output: None,
        });
    }
    let waves = waves.into_iter().max().unwrap_or(0);
    let request = json!({"class": "base", "limits": limits});
    Plan {
        request: serde_json::from_value(request).unwrap(),
        basis: serde_json::from_value(json!({"generation": 1, "revision": 1})).unwrap(),
        cost: Cost { builds: u32::try_from(targets.len()).unwrap(), waves, ..Cost::default() },
        targets,
        problems: Vec::new(),
        others: Vec::new(),
    }
}

fn rebuilds() -> Rebuilds {
    let rebuilds = Rebuilds::new(Arc::new(MemoryLog::new(1, Faults::none())));
    rebuilds.activate(true, false);
    rebuilds
}

/// The number of starts and the last outcome, by target.
#[derive(Debug, Default)]
struct Played {
    begun: BTreeMap<Target, u32>,
    most: usize,
    most_in_namespace: usize,
}

/// Plays a rebuild to its end: in each round every target that may begin begins, and one of the running ones ends as
/// `luck` says. Now and then another process takes over, which knows only the records.
fn play(rebuilds: &mut Rebuilds, caps: Caps, luck: &[u8]) -> Played {
    let mut played = Played::default();
    let mut luck = luck.iter().copied().cycle();
    for round in 0..2_000 {
        let now = at(round);
        let is_over = rebuilds
            .with(|ledger| {
                loop {
                    let records = desk::conclude(ledger.book(), &HashSet::new(), now);
                    if records.is_empty() {
                        break;
                    }
                    ledger.commit(records)?;
                }
                let begin = desk::begin(ledger.book(), caps, &HashSet::new(), now);
                for (id, target) in begin {
                    let rebuild = ledger.book().get(&id).unwrap();
                    let of = rebuild.targets[&target].clone();
                    for base in &of.after {
                        assert_eq!(
                            rebuild.targets[base].state,
                            TargetState::Succeeded,
                            "{base} before {target}"
                        );
                    }
                    let wave = rebuild.targets.values().filter(|other| other.wave < of.wave);
                    assert!(wave.clone().all(|other| other.state.is_final()), "a wave after the other");
                    *played.begun.entry(target).or_default() += 1;
                    let begun =
                        TargetRecord { attempts: of.attempts + 1, ..changed(&of, TargetState::Running, "") };
                    ledger.commit(vec![RebuildsRecord::RebuildTarget(Box::new(begun))])?;
                }
                let running = desk::look(ledger.book(), &HashSet::new());
                played.most = played.most.max(running.len());
                for (_, target) in &running {
                    let here = running.iter().filter(|(_, other)| other.namespace() == target.namespace());
                    played.most_in_namespace = played.most_in_namespace.max(here.count());
                }
                if let Some((id, target)) =
                    running.get(usize::from(luck.next().unwrap()) % running.len().max(1))
                {
                    let of = ledger.book().get(id).unwrap().targets[target].clone();
                    let ends = match luck.next().unwrap() % 4 {
                        0 if of.attempts <= 1 => TargetRecord {
                            not_before: Some(at(round + 5)),
                            ..changed(&of, TargetState::Waiting, "once more")
                        },
                        0 => changed(&of, TargetState::Failed, "no"),
                        _ => changed(&of, TargetState::Succeeded, ""),
                    };
                    ledger.commit(vec![RebuildsRecord::RebuildTarget(Box::new(ends))])?;
                }
                Ok(ledger.book().active().iter().all(|of| of.record.state != RebuildState::Running))
            })
            .unwrap();
        if is_over {
            return played;
        }
        if luck.next().unwrap().is_multiple_of(8) {
            let log = SharedLog::clone(&rebuilds.shared.log);
            *rebuilds = Rebuilds::new(log);
            rebuilds.activate(true, false);
        }
    }
    panic!("it never ends");
}

proptest! {
    #[test]
    fn whatever_fails_a_rebuild_ends_within_its_limits_and_nothing_is_built_before_its_bases(
        bases in prop::collection::vec(prop::collection::vec(any::<usize>(), 0..4), 1..30),
        luck in prop::collection::vec(any::<u8>(), 1..64),
        concurrent in 1_u32..5,
        per_namespace in 1_u32..3,
        failures in 1_u32..6,
    ) {
        let limits = json!({
            "maxConcurrent": concurrent, "maxConcurrentPerNamespace": per_namespace, "maxFailures": failures,
        });
        let mut rebuilds = rebuilds();
        let record = rebuilds.start(plan(&bases, limits), Started::ByCommand).unwrap();
        let caps = Caps { builds: Some(4), builds_per_namespace: Some(2) };
        let played = play(&mut rebuilds, caps, &luck);
        prop_assert!(played.most <= concurrent.min(4) as usize);
        prop_assert!(played.most_in_namespace <= per_namespace as usize);
        prop_assert!(played.begun.values().all(|times| *times <= 2), "twice only after a failure");
        let item = rebuilds.get(&record.id).unwrap();
        let Progress { waiting, running, succeeded, failed, skipped } = item.progress;
        match item.record.state {
            RebuildState::Finished => {
                prop_assert_eq!((waiting, running), (0, 0));
                prop_assert_eq!((succeeded + failed + skipped) as usize, bases.len());
            }
            RebuildState::Stopped => prop_assert!(failed >= failures),
            other => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn the_more_urgent_rebuild_begins_first_and_no_target_is_built_for_two_at_once() {
    let rebuilds = rebuilds();
    let mut routine = plan(&[vec![], vec![], vec![]], json!({"maxConcurrent": 9}));
    rebuilds.start(routine.clone(), Started::ByCommand).unwrap();
    routine.request.priority = 10;
    routine.targets.truncate(2);
    rebuilds.start(routine, Started::ByCommand).unwrap();
    let caps = Caps { builds: Some(3), builds_per_namespace: None };
    let begun = rebuilds.with(|ledger| Ok(desk::begin(ledger.book(), caps, &HashSet::new(), at(0)))).unwrap();
    let told: Vec<String> = begun.iter().map(|(id, target)| format!("{id} {target}")).collect();
    assert_eq!(told, ["base-2 buildconfig/ns0/b0", "base-2 buildconfig/ns1/b1", "base-1 buildconfig/ns2/b2"]);
}

#[test]
fn outside_its_window_nothing_begins_and_it_says_so() {
    let rebuilds = rebuilds();
    // At second 0 it is 22:13 UTC.
    let limits = json!({"window": {"start": "23:00", "end": "05:00"}});
    let id = rebuilds.start(plan(&[vec![]], limits), Started::ByCommand).unwrap().id;
    let begin = |second: i64| {
        rebuilds
            .with(|ledger| {
                let records = desk::conclude(ledger.book(), &HashSet::new(), at(second));
                ledger.commit(records)?;
                Ok(desk::begin(ledger.book(), Caps::default(), &HashSet::new(), at(second)).len())
            })
            .unwrap()
    };
    assert_eq!(begin(0), 0);
    assert_eq!(rebuilds.get(&id).unwrap().record.message, "wave 1 of 1; waits for its window");
    assert_eq!(begin(3_600), 1);
}

#[test]
fn another_process_goes_on_with_what_is_written_and_the_first_cannot_write_any_more() {
    let first = rebuilds();
    let id = first.start(plan(&[vec![], vec![0]], json!({})), Started::ByCommand).unwrap().id;
    let second = Rebuilds::new(SharedLog::clone(&first.shared.log));
    assert_eq!(second.get(&id).unwrap().items.len(), 2, "who carries nothing out can read");
    assert!(second.change(&id, Change::Pause, None).unwrap_err().to_string().contains("--server"));
    second.activate(true, false);
    assert_eq!(
        second.change(&id, Change::Pause, Some("alice")).unwrap().record.message,
        "paused by alice; what runs goes on"
    );
    for _ in 0..2 {
        let error = first.change(&id, Change::Resume, None).unwrap_err();
        assert!(error.is_fenced(), "it does not take over again: {error}");
    }
    second.change(&id, Change::Resume, None).unwrap();
}

/// Writes the state of some targets, and concludes from it.
fn become_(rebuilds: &Rebuilds, id: &str, numbers: &[usize], state: TargetState) {
    rebuilds
        .with(|ledger| {
            for number in numbers {
                let of = ledger.book().get(id).unwrap().targets[&target(*number)].clone();
                let record = TargetRecord { attempts: 1, ..changed(&of, state, "") };
                ledger.commit(vec![RebuildsRecord::RebuildTarget(Box::new(record))])?;
            }
            loop {
                let records = desk::conclude(ledger.book(), &HashSet::new(), at(0));
                if records.is_empty() {
                    return Ok(());
                }
                ledger.commit(records)?;
            }
        })
        .unwrap();
}

fn next(rebuilds: &Rebuilds) -> Vec<String> {
    let begin = |ledger: &mut Ledger| Ok(desk::begin(ledger.book(), Caps::default(), &HashSet::new(), at(0)));
    rebuilds.with(begin).unwrap().into_iter().map(|(_, target)| target.to_string()).collect()
}

#[test]
fn builds_wait_for_nobody_who_is_told_and_are_not_stopped_by_them() {
    let rebuilds = rebuilds();
    rebuilds.activate(true, true);
    // The first three are notified and have no base; the others are two waves of builds.
    let bases = [vec![], vec![], vec![], vec![], vec![3]];
    let mut plan = plan(&bases, json!({"maxConcurrent": 2, "maxFailures": 1}));
    plan.targets[..3].iter_mut().for_each(|planned| planned.action = Action::Notify);
    let id = rebuilds.start(plan, Started::ByCommand).unwrap().id;
    let of = |number: usize| target(number).to_string();
    assert_eq!(next(&rebuilds), [of(0), of(3), of(1)], "as many at once of each kind");
    become_(&rebuilds, &id, &[0, 1], TargetState::Failed);
    assert_eq!(rebuilds.get(&id).unwrap().record.state, RebuildState::Running);
    become_(&rebuilds, &id, &[2], TargetState::Running);
    become_(&rebuilds, &id, &[3], TargetState::Succeeded);
    assert_eq!(next(&rebuilds), [of(4)], "its wave has come, though somebody was told only");
    become_(&rebuilds, &id, &[4], TargetState::Failed);
    assert_eq!(rebuilds.get(&id).unwrap().record.state, RebuildState::Stopped);
    rebuilds.change(&id, Change::Cancel, Some("bob")).unwrap();
    become_(&rebuilds, &id, &[], TargetState::Running);
    let item = rebuilds.get(&id).unwrap();
    assert_eq!((item.progress.skipped, item.progress.running), (1, 0), "who was told is not waited for");
    assert_eq!(item.record.changed_by.as_deref(), Some("bob"));
}

#[test]
fn what_cannot_be_built_stands_in_the_rebuild_with_its_reason() {
    let rebuilds = rebuilds();
    let mut plan = plan(&[vec![]], json!({}));
    plan.problems.push(crate::plan::Problem {
        target: target(7),
        kind: crate::plan::ProblemKind::Paused,
        message: "it is held".to_owned(),
    });
    let only = Plan { targets: Vec::new(), ..plan.clone() };
    let error = rebuilds.start(only, Started::ByCommand).unwrap_err().to_string();
    assert!(error.contains("1 BuildConfigs would have to be"), "{error}");
    let id = rebuilds.start(plan, Started::ByCommand).unwrap().id;
    become_(&rebuilds, &id, &[0], TargetState::Succeeded);
    let item = rebuilds.get(&id).unwrap();
    assert_eq!(item.record.message, "1 built, 0 failed, 1 not built");
    assert_eq!((item.items[0].wave, item.items[0].message.as_str()), (0, "it is held"));
}

#[test]
fn a_triggered_build_has_everything_in_it_once_what_does_not_trigger_it_was_built() {
    let rebuilds = rebuilds();
    let mut plan = plan(&[vec![], vec![], vec![0, 1]], json!({}));
    plan.targets[2].action = Action::Trigger;
    plan.targets[2].triggered_by = vec![target(0)];
    let id = rebuilds.start(plan, Started::ByCommand).unwrap().id;
    let day = 86_400 * 365 * 10;
    rebuilds
        .with(|ledger| {
            for (number, started, ended) in [(0, day + 50, day + 90), (1, day + 10, day + 20)] {
                let of = ledger.book().get(&id).unwrap().targets[&target(number)].clone();
                let record = TargetRecord {
                    started: Some(at(started)),
                    ended: Some(at(ended)),
                    ..changed(&of, TargetState::Succeeded, "")
                };
                ledger.commit(vec![RebuildsRecord::RebuildTarget(Box::new(record))])?;
            }
            let rebuild = ledger.book().get(&id).unwrap();
            let triggered = rebuild.targets[&target(2)].clone();
            assert_eq!(desk::ready_at(&rebuild, &triggered), at(day + 50), "as soon as the first may push");
            let built = TargetRecord { action: Action::Build, ..triggered.clone() };
            assert_eq!(desk::ready_at(&rebuild, &built), at(day + 90));
            let other = TargetRecord { triggered_by: vec![target(1)], ..triggered };
            assert_eq!(desk::ready_at(&rebuild, &other), at(day + 90), "not before the first has pushed");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_policy_waits_for_the_rebuild_of_the_same_version_and_builds_nothing_of_it_again() {
    let rebuilds = rebuilds();
    let class: ClassRecord = serde_json::from_value(json!({
        "name": "base", "sequence": 1, "generation": 1, "revision": 1,
        "from": {"kind": "ImageStreamTag", "name": "base:latest"},
        "versions": 0, "following": {"ready": true, "reason": "Following", "message": ""},
    }))
    .unwrap();
    let id = rebuilds.start(plan(&[vec![], vec![], vec![]], json!({})), Started::ByCommand).unwrap().id;
    assert_eq!(rebuilds.begun_for(&class).unwrap(), None, "it is under way");
    become_(&rebuilds, &id, &[0], TargetState::Succeeded);
    become_(&rebuilds, &id, &[1], TargetState::Failed);
    rebuilds.change(&id, Change::Cancel, None).unwrap();
    become_(&rebuilds, &id, &[], TargetState::Running);
    let begun = BTreeMap::from([(target(0), true), (target(1), false)]);
    assert_eq!(rebuilds.begun_for(&class).unwrap(), Some(begun), "what a command had not begun is free");
    let later = ClassRecord { revision: 2, ..class };
    assert_eq!(rebuilds.begun_for(&later).unwrap(), Some(BTreeMap::new()));
}

#[test]
fn a_rebuild_ends_with_its_class_and_says_for_which_other_it_waits() {
    let rebuilds = rebuilds();
    let first = rebuilds.start(plan(&[vec![]], json!({})), Started::ByCommand).unwrap().id;
    let second = rebuilds.start(plan(&[vec![]], json!({})), Started::ByCommand).unwrap().id;
    become_(&rebuilds, &first, &[0], TargetState::Running);
    rebuilds.change(&first, Change::Pause, None).unwrap();
    become_(&rebuilds, &first, &[], TargetState::Running);
    let message = || rebuilds.get(&second).unwrap().record.message;
    assert_eq!(message(), "wave 1 of 1; waits for base-1, which is Paused and has its targets");
    rebuilds.end_homeless(|class, generation| (class, generation) != ("base", 1)).unwrap();
    assert_eq!(rebuilds.get(&second).unwrap().record.state, RebuildState::Running);
    rebuilds.end_homeless(|_, _| true).unwrap();
    assert!(message().starts_with("its class was deleted"), "{}", message());
    assert_eq!(rebuilds.get(&first).unwrap().record.state, RebuildState::Cancelled);
}

#[test]
fn a_command_is_refused_by_who_will_never_act_and_put_off_by_who_soon_will() {
    let start = |rebuilds: &Rebuilds| rebuilds.start(plan(&[vec![]], json!({})), Started::ByCommand);
    let rebuilds = Rebuilds::new(Arc::new(MemoryLog::new(1, Faults::none())));
    let refused = start(&rebuilds).unwrap_err();
    assert!(matches!(&refused, RebuildError::Invalid(told) if told.contains("--server")), "{refused}");
    rebuilds.prepare();
    assert!(matches!(start(&rebuilds), Err(RebuildError::NotYet)));
    assert!(matches!(rebuilds.change("base-1", Change::Pause, None), Err(RebuildError::NotYet)));
    rebuilds.activate(true, false);
    assert_eq!(start(&rebuilds).unwrap().id, "base-1");
}
