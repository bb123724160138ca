//! Random histories with faults, by seed: whatever fails, in the end everything is as if nothing had.
//!
//! `CLADE_SIM_SEED=17 cargo test --test it simulation` runs one history again; `CLADE_SIM_HISTORIES=100000` runs more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog, Rates};
use clade::log::{AppendError, SharedLog, TopicPartition, for_each};
use clade::processor::{Options, Processor, ProcessorError};
use clade::publisher::Publisher;
use clade::record::{DeadLetterRecord, Record, Timestamp, Topic, decode};
use clade::snapshot::Snapshots;
use clade::telemetry::Metrics;
use clade::view::View;

use crate::history::{Fact, publish, random_fact};
use crate::oracle::Oracle;

const HISTORIES: u64 = 1_000;
const STEPS: usize = 120;
const PARTITIONS: u16 = 2;
/// In thousandths of the calls.
const RATES: Rates =
    Rates { crash_before: 40, crash_after: 40, unknown: 40, compaction: 50, short_read: 300 };

#[test]
fn whatever_fails_the_end_is_the_same_and_every_transition_stands_once() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("CLADE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CLADE_SIM_HISTORIES").unwrap_or(HISTORIES),
    };
    let mut failures = Failures::default();
    for seed in seeds.clone() {
        let run = || Simulation::new(seed).run();
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(met) => failures.add(&met),
            Err(_) => panic!("CLADE_SIM_SEED={seed} cargo test --test it simulation"),
        }
    }
    println!("histories {seeds:?}: {failures:?}");
    // A simulation that meets no fault proves nothing.
    let Failures { publishers, processors, zombies, bad_records, .. } = failures;
    let Failures { spoilt_snapshots, used_snapshots, discarded_snapshots, .. } = failures;
    let rare = [zombies, bad_records, spoilt_snapshots, used_snapshots, discarded_snapshots];
    assert!(
        publishers > 0
            && processors > 0
            && (seeds.end - seeds.start < 10 || rare.into_iter().all(|count| count > 0))
    );
}

/// What went wrong on the way.
#[derive(Debug, Default)]
struct Failures {
    publishers: u64,
    processors: u64,
    zombies: u64,
    bad_records: u64,
    spoilt_snapshots: u64,
    used_snapshots: u64,
    discarded_snapshots: u64,
}

impl Failures {
    fn add(&mut self, other: &Self) {
        self.publishers += other.publishers;
        self.processors += other.processors;
        self.zombies += other.zombies;
        self.bad_records += other.bad_records;
        self.spoilt_snapshots += other.spoilt_snapshots;
        self.used_snapshots += other.used_snapshots;
        self.discarded_snapshots += other.discarded_snapshots;
    }
}

struct Simulation {
    random: fastrand::Rng,
    second: i64,
    memory: MemoryLog,
    log: SharedLog,
    view: Arc<View>,
    publisher: Option<Publisher>,
    /// Facts that are not known to be on the log: published again by the next publisher.
    unsure: Vec<Fact>,
    processors: Vec<Option<Processor>>,
    /// Processors that do not know that they were replaced.
    zombies: Vec<Processor>,
    snapshots: tempfile::TempDir,
    metrics: Metrics,
    met: Failures,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let memory = MemoryLog::new(PARTITIONS, Faults::seeded(seed, RATES));
        Self {
            random: fastrand::Rng::with_seed(seed),
            second: 0,
            log: Arc::new(memory.clone()),
            memory,
            view: Arc::new(View::new(PARTITIONS)),
            publisher: None,
            unsure: Vec::new(),
            processors: (0..PARTITIONS).map(|_| None).collect(),
            zombies: Vec::new(),
            snapshots: tempfile::tempdir().unwrap(),
            metrics: Metrics::default(),
            met: Failures::default(),
        }
    }

    fn run(mut self) -> Failures {
        for _ in 0..STEPS {
            let partition = self.random.u16(0..PARTITIONS);
            match self.random.u8(0..21) {
                0..=9 => self.publish(),
                10..=16 => self.process(partition),
                17 => self.replace(partition),
                18 => self.let_a_zombie_work(),
                19 => self.spoil_a_snapshot(partition),
                _ => self.write_garbage(partition),
            }
        }
        self.memory.heal();
        self.zombies.clear();
        self.flush();
        for partition in 0..PARTITIONS {
            self.processors[usize::from(partition)] = None;
            self.restore(partition, true).unwrap();
            while self.processors[usize::from(partition)]
                .as_mut()
                .unwrap()
                .step(Duration::ZERO)
                .unwrap()
                .records
                > 0
            {}
        }
        let oracle = Oracle::of(&*self.log);
        oracle.check_outputs(&*self.log);
        self.check_readers(&oracle);
        self.check_dead_letters();
        self.met.used_snapshots = self.metrics.used_snapshots.get();
        self.met.discarded_snapshots = self.metrics.discarded_snapshots.get();
        self.met
    }

    fn publish(&mut self) {
        let fact = random_fact(&mut self.random, &mut self.second);
        self.unsure.push(fact.clone());
        let Some(publisher) = &mut self.publisher else { return self.flush() };
        if publish(publisher, &fact).is_err() {
            self.publisher = None;
            self.met.publishers += 1;
        } else if self.random.bool() {
            self.flush();
        }
    }

    /// Has everything written by this publisher or, if it fails, by others.
    fn flush(&mut self) {
        for _ in 0..100 {
            let is_new = self.publisher.is_none();
            let publisher = self.publisher.get_or_insert_with(|| {
                Publisher::restore(SharedLog::clone(&self.log), || Timestamp::UNIX_EPOCH).unwrap()
            });
            let again = if is_new { &self.unsure[..] } else { &[] };
            match again.iter().try_for_each(|fact| publish(publisher, fact)).and_then(|()| publisher.flush())
            {
                Ok(()) => return self.unsure.clear(),
                Err(_) => {
                    self.publisher = None;
                    self.met.publishers += 1;
                }
            }
        }
        panic!("no publisher got through");
    }

    fn process(&mut self, partition: u16) {
        let slot = &mut self.processors[usize::from(partition)];
        let result = match slot {
            Some(processor) => processor.step(Duration::ZERO).map(drop),
            None => {
                // With nobody who reads it, a processor concludes the next batch while the last is not committed yet.
                let is_shown = self.random.bool();
                self.restore(partition, is_shown)
            }
        };
        if result.is_err() {
            self.processors[usize::from(partition)] = None;
            self.met.processors += 1;
        }
    }

    fn restore(&mut self, partition: u16, is_shown: bool) -> Result<(), ProcessorError> {
        // Some take a snapshot whenever anything has changed, some never.
        let every = if self.random.bool() { Duration::ZERO } else { Duration::MAX };
        let options = Options {
            batch_records: self.random.usize(1..20),
            commit_images: self.random.usize(1..5),
            commit_bytes: self.random.usize(1..20_000),
            settle_changes: self.random.usize(1..40),
            metrics: self.metrics.clone(),
            snapshots: Some(Snapshots::new(self.snapshots.path(), every)),
            ..Options::default()
        };
        let view = is_shown.then_some(&self.view);
        let processor = Processor::restore(SharedLog::clone(&self.log), view, partition, options)?;
        self.processors[usize::from(partition)] = Some(processor);
        Ok(())
    }

    /// Another processor takes the partition over while the old one still believes that it has it.
    fn replace(&mut self, partition: u16) {
        let Some(old) = self.processors[usize::from(partition)].take() else { return };
        self.process(partition);
        if self.processors[usize::from(partition)].is_some() {
            self.zombies.push(old);
        }
    }

    fn let_a_zombie_work(&mut self) {
        let Some(mut zombie) = self.zombies.pop() else { return };
        // What it had begun before may have been appended, or have failed. What it begins now must not be.
        let mut begun = 0;
        loop {
            match zombie.step(Duration::ZERO) {
                Ok(done) if done.records == 0 => return assert_eq!(begun, 0, "a zombie has committed"),
                Ok(_) => begun += 1,
                Err(ProcessorError::Append(AppendError::Fenced)) => return self.met.zombies += 1,
                Err(_) if begun == 0 => return,
                Err(error) => panic!("a zombie fails with {error}"),
            }
        }
    }

    /// A file is deleted, cut off or damaged.
    fn spoil_a_snapshot(&mut self, partition: u16) {
        let path = self.snapshots.path().join(format!("partition-{partition}.snapshot"));
        let Ok(mut bytes) = std::fs::read(&path) else { return };
        let at = self.random.usize(0..bytes.len().max(1));
        match self.random.u8(0..3) {
            0 => return std::fs::remove_file(&path).unwrap(),
            1 => bytes.truncate(at),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.random.u8(0..8)),
        }
        std::fs::write(&path, bytes).unwrap();
        self.met.spoilt_snapshots += 1;
    }

    /// A record that is none, by a stranger.
    fn write_garbage(&mut self, partition: u16) {
        let topic = self.random.choice([Topic::Images, Topic::Tags]).unwrap();
        let key = format!("garbage {}", self.random.u32(..));
        let garbage = Record { key, value: Some(b"{\"half\":".to_vec()), headers: Vec::new() };
        let mut stranger = self.log.writer("stranger").unwrap();
        // Appended or not: the end tells.
        let _ = stranger.append(vec![(TopicPartition { topic, partition }, garbage)]);
        self.met.bad_records += 1;
    }

    fn check_readers(&self, oracle: &Oracle) {
        let mut seen = BTreeMap::new();
        for (partition, committed) in (0..).zip(self.view.snapshot().one_by_one()) {
            // Whoever waits for what is published waits for this.
            let ends = [Topic::Images, Topic::Tags]
                .map(|topic| self.log.end(TopicPartition { topic, partition }).unwrap());
            assert_eq!([committed.progress.images, committed.progress.tags], ends);
            for image in committed.shard.images() {
                assert!(self.view.snapshot().locate(&image.digest).is_some());
                seen.extend(image.classification.map(|of| (image.digest, (**of).clone())));
            }
        }
        assert_eq!(seen, oracle.classifications());
    }

    /// Every bad record has one dead letter, which says where it stands.
    fn check_dead_letters(&self) {
        let (mut bad, mut told) = (Vec::new(), Vec::new());
        for partition in 0..PARTITIONS {
            for topic in [Topic::Images, Topic::Tags] {
                for_each(&*self.log, TopicPartition { topic, partition }, |stored| {
                    if stored.record.key.starts_with("garbage") {
                        bad.push(format!("{topic}[{partition}]@{}", stored.offset));
                    }
                })
                .unwrap();
            }
            for_each(&*self.log, TopicPartition { topic: Topic::DeadLetters, partition }, |stored| {
                told.extend(decode::<DeadLetterRecord>(&stored.record).unwrap().map(|letter| letter.origin));
            })
            .unwrap();
        }
        bad.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, bad);
    }
}
