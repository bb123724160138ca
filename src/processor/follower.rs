//! A read replica of one partition: concludes the same as the processor, and writes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::input::{Inputs, take_in};
use super::restore::{self, Who};
use super::{Options, ProcessorError, Unsaved};
use crate::log::{LogError, Offset, SharedLog, TopicPartition, for_each_from};
use crate::record::{ProgressRecord, Topic, decode};
use crate::snapshot::Position;
use crate::telemetry;
use crate::view::{Replica, View};
use std::ops::ControlFlow;

/// Time limit for the processor to commit what a snapshot is to contain: it commits many times a second.
const COMMITTED: Duration = Duration::from_secs(2);
/// Interval at which the replica looks for that commit. On Kafka each look opens a reader.
const LOOK: Duration = Duration::from_millis(250);

/// Follows the inputs of one partition and publishes its conclusions to readers.
pub struct Follower {
    log: SharedLog,
    partition: u16,
    inputs: Inputs,
    replica: Replica,
    at_end: bool,
    options: Options,
    unsaved: Unsaved,
    /// The last progress that the processor is known to have committed, and the offset after it.
    committed: (ProgressRecord, Offset),
}

impl Follower {
    /// Reads the partition to its end and publishes it.
    pub fn restore(
        log: &SharedLog,
        view: &Arc<View>,
        partition: u16,
        options: &Options,
    ) -> Result<Self, ProcessorError> {
        let commits = log.end(TopicPartition { topic: Topic::Progress, partition })?;
        let start = restore::start(log, partition, Who::Replica, options)?;
        let mut inputs = Inputs::open(&**log, start.progress, options.batch_records)?;
        let mut replica = Replica::new(Arc::clone(view), partition, start.shard);
        let mut records = 0;
        telemetry::set(&options.metrics.restored, partition, 0);
        let progress = restore::to_the_end(&mut inputs, partition, &options.stop, |taken| {
            records += taken.records;
            telemetry::set(&options.metrics.progress, partition, taken.progress.images);
            take_in(replica.shard(), taken.changes);
        })?;
        // The conclusions are known now; the commit by the processor does not matter here.
        replica.shard().catch_up();
        replica.publish_restored(progress);
        let images = replica.shard().index().len();
        telemetry::set(&options.metrics.images, partition, images as u64);
        let mut follower = Self {
            log: SharedLog::clone(log),
            committed: (start.committed, commits),
            partition,
            inputs,
            replica,
            at_end: true,
            options: options.clone(),
            unsaved: Unsaved::new(records, images),
        };
        if follower.unsaved.is_much() {
            follower.snapshot();
        }
        Ok(follower)
    }

    /// Takes the records since the last call; waits at most `timeout` if there are none. Returns the number of records.
    pub fn step(&mut self, timeout: Duration) -> Result<usize, ProcessorError> {
        let taken = self.inputs.read(timeout)?;
        self.at_end = taken.at_end;
        if taken.records > 0 {
            let (changes, _) = take_in(self.replica.shard(), taken.changes);
            self.replica.shard().catch_up();
            let images = self.replica.shard().index().len();
            telemetry::set(&self.options.metrics.images, self.partition, images as u64);
            self.replica.publish(changes, taken.progress);
            self.unsaved.add(taken.records, images);
        }
        if self.options.snapshots.as_ref().is_some_and(|snapshots| self.unsaved.is_due(snapshots)) {
            self.snapshot();
        }
        Ok(taken.records)
    }

    /// Takes a snapshot if that is enabled and worth its cost. Called at a stop.
    pub fn close(mut self) {
        if self.unsaved.is_much() {
            self.snapshot();
        }
    }

    /// Takes a snapshot, which names a commit that contains all that the replica has read: so it is of no use for a log
    /// that was cut off before, and went on otherwise. Without such a commit there is no snapshot this time.
    fn snapshot(&mut self) {
        let Some(snapshots) = self.options.snapshots.clone() else { return };
        let read = self.inputs.progress();
        match self.commit_of(&read) {
            Ok(Some(ProgressRecord { sequence, lives, lineage, .. })) => {
                let progress = ProgressRecord { sequence, lives, lineage, ..read };
                let position = Position { progress, output: None };
                let Self { replica, options, unsaved, partition, .. } = self;
                unsaved.save(&snapshots, *partition, position, replica.shard(), &options.metrics);
            }
            Ok(None) => self.unsaved.postpone(),
            Err(error) => {
                tracing::warn!(partition = self.partition, %error, "no snapshot: the commits cannot be read");
                self.unsaved.postpone();
            }
        }
    }

    /// Waits a moment for a commit that contains these offsets.
    fn commit_of(&mut self, read: &ProgressRecord) -> Result<Option<ProgressRecord>, LogError> {
        let deadline = Instant::now() + COMMITTED;
        let of = TopicPartition { topic: Topic::Progress, partition: self.partition };
        loop {
            let (last, next) = &mut self.committed;
            for_each_from(&*self.log, of, *next, |stored| {
                *next = stored.offset + 1;
                if let Ok(Some(progress)) = decode::<ProgressRecord>(&stored.record) {
                    *last = progress;
                }
                ControlFlow::Continue(())
            })?;
            if last.images >= read.images && last.tags >= read.tags && last.catalog >= read.catalog {
                return Ok(Some(*last));
            }
            if Instant::now() >= deadline || self.options.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            #[allow(
                clippy::disallowed_methods,
                reason = "another process commits, and nothing wakes this one"
            )]
            std::thread::sleep(LOOK);
        }
    }

    /// The offsets up to which the inputs were read.
    pub fn progress(&self) -> ProgressRecord {
        self.inputs.progress()
    }

    /// The number of images in the partition.
    pub fn images(&self) -> usize {
        self.unsaved.images()
    }

    /// Returns `true` if the last step found all inputs at their ends.
    pub fn at_end(&self) -> bool {
        self.at_end
    }
}
