//! The transitions of the real images, as their bases moved: on Apache Kafka, with two processors that come and go, they are
//! one for one those of a single process.
//!
//! What is told of a history depends on how much of it is seen at once. So both runs see it in the same steps: something
//! is published while nobody processes, then processed while nobody publishes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use clade::log::SharedLog;
use clade::log::embedded::{self, EmbeddedLog};
use clade::observe::Observation;
use clade::publisher::Publisher;
use clade::record::{Timestamp, TransitionRecord};
use clade::source;

use crate::cluster::{Member, eventually};
use crate::kafka::fresh_config;
use crate::real_data::{Declared, data, declare, declared};
use crate::support::transitions;
use crate::workers::start;

const STEPS: usize = 4;
const PARTITIONS: u16 = 4;

/// The history, divided: of each step the images, and then the moves of tags.
fn steps(data: &Path) -> Vec<Vec<Observation>> {
    let mut by_kind: [Vec<Observation>; 2] = Default::default();
    let mut each = |observation: Observation| {
        by_kind[usize::from(matches!(observation, Observation::Tag(_)))].push(observation);
        Ok(())
    };
    source::read(&source::find(&[data.to_owned()]).unwrap().inputs, &|_| {}, &mut each).unwrap();
    let mut steps: Vec<Vec<Observation>> = (0..STEPS).map(|_| Vec::new()).collect();
    for all in by_kind {
        let most = all.len().div_ceil(STEPS);
        for (at, observation) in all.into_iter().enumerate() {
            steps[at / most].push(observation);
        }
    }
    steps
}

/// Publishes a step; with the first, every class is declared.
fn publish(log: &SharedLog, step: &[Observation], declared: Option<&[Declared]>) {
    let mut publisher = Publisher::restore(SharedLog::clone(log), || Timestamp::UNIX_EPOCH).unwrap();
    for observation in step {
        publisher.observe(observation.clone()).unwrap();
    }
    publisher.flush().unwrap();
    if let Some(declared) = declared {
        declare(&mut publisher, declared);
    }
}

fn in_one_process(steps: &[Vec<Observation>], declared: &[Declared]) -> Vec<TransitionRecord> {
    let dir = tempfile::tempdir().unwrap();
    let options = || embedded::Options { partitions: Some(PARTITIONS), ..embedded::Options::default() };
    for (number, step) in steps.iter().enumerate() {
        let log: SharedLog = Arc::new(EmbeddedLog::open(dir.path(), options()).unwrap());
        publish(&log, step, (number == 0).then_some(declared));
        drop(log);
        let engine = start(dir.path(), options(), &Default::default());
        engine.catch_up(|_| {}).unwrap();
    }
    transitions(&EmbeddedLog::open(dir.path(), options()).unwrap())
}

fn on_kafka(steps: &[Vec<Observation>], declared: &[Declared]) -> Vec<TransitionRecord> {
    let config = fresh_config(PARTITIONS);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    for (number, step) in steps.iter().enumerate() {
        publish(&log, step, (number == 0).then_some(declared));
        let members = [Member::start(&config), Member::start(&config)];
        let restored = || {
            let status = members.iter().flat_map(Member::status);
            status.filter(|of| of.restored).map(|of| of.partition).collect::<BTreeSet<u16>>()
        };
        eventually(&(0..PARTITIONS).collect(), restored);
    }
    transitions(&*log)
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn the_transitions_of_the_real_images_are_the_same_on_kafka_and_in_one_process() {
    let Some(data) = data() else { return println!("SKIPPED: there is no ../shared/data") };
    let (steps, declared) = (steps(&data), declared(&data));
    let sorted = |mut events: Vec<TransitionRecord>| {
        events.sort_by_key(|event| event.id);
        events
    };
    let (expected, found) = (sorted(in_one_process(&steps, &declared)), sorted(on_kafka(&steps, &declared)));
    let outdated = expected.iter().filter(|event| {
        event.from.is_some() && event.to.is_some_and(|to| to.state == clade::record::State::Outdated)
    });
    let outdated = outdated.count();
    println!("{} transitions, {outdated} of images that became outdated", expected.len());
    assert!(outdated > 1_000, "bases have moved under images");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}
