//! A read replica of one partition: concludes the same as the processor, and writes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::input::{Inputs, take_in};
use super::restore::{self, Who};
use super::{Options, ProcessorError, Unsaved};
use crate::log::SharedLog;
use crate::record::ProgressRecord;
use crate::snapshot::Position;
use crate::telemetry;
use crate::view::{Replica, View};

/// Follows the inputs of one partition and publishes its conclusions to readers.
pub struct Follower {
    partition: u16,
    inputs: Inputs,
    replica: Replica,
    at_end: bool,
    options: Options,
    unsaved: Unsaved,
}

impl Follower {
    /// Reads the partition to its end and publishes it.
    pub fn restore(
        log: &SharedLog,
        view: &Arc<View>,
        partition: u16,
        options: &Options,
    ) -> Result<Self, ProcessorError> {
        let start = restore::start(log, partition, Who::Replica, options)?;
        let mut inputs = Inputs::open(&**log, start.progress, options.batch_records)?;
        let mut replica = Replica::new(Arc::clone(view), partition, start.shard);
        let mut records = 0;
        let progress = restore::to_the_end(&mut inputs, partition, options, |taken| {
            records += taken.records;
            take_in(replica.shard(), taken.changes);
        })?;
        // The conclusions are known now; the commit by the processor does not matter here.
        replica.shard().catch_up();
        replica.publish_restored(progress);
        let images = replica.shard().index().len();
        telemetry::set(&options.metrics.images, partition, images as u64);
        let mut follower = Self {
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

    fn snapshot(&mut self) {
        let Self { inputs, replica, options, unsaved, partition, .. } = self;
        if let Some(snapshots) = &options.snapshots {
            let position = Position { progress: inputs.progress(), output: None };
            unsaved.save(snapshots, *partition, position, replica.shard(), &options.metrics);
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
