//! The desk alone, against random plans and random luck.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::desk::{self, Caps, changed};
use super::*;
use crate::log::memory::{Faults, MemoryLog};
use crate::plan::{Cost, Planned};
use crate::record::Target;
use crate::record::rebuild::{Action, TargetState};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn target(number: usize) -> Target {
    Target::BuildConfig { namespace: format!("ns{}", number % 3), name: format!("b{number}") }
}

/// A plan in which each target is built on some of those before it.
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

/// How often it was begun and how it ended, by target.
#[derive(Debug, Default)]
struct Played {
    begun: BTreeMap<Target, u32>,
    most: usize,
    most_in_namespace: usize,
}

/// Plays a rebuild to its end: in each round what may begin begins, and one of those that run ends as `luck` says. Now
/// and then the process is another one, which knows only what is written.
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
    let error = first.change(&id, Change::Resume, None).unwrap_err();
    assert!(error.is_fenced(), "{error}");
}
