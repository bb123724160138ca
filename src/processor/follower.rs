//! A read replica of one partition: concludes what the processor concludes, and writes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::input::{Inputs, take_in};
use super::{Options, ProcessorError, restore};
use crate::log::{Offset, SharedLog};
use crate::record::ProgressRecord;
use crate::telemetry;
use crate::view::{Replica, View};

/// Follows the inputs of one partition and shows what they mean.
pub struct Follower {
    inputs: Inputs,
    replica: Replica,
    at_end: bool,
}

impl Follower {
    /// Reads the partition to its end and publishes it.
    pub fn restore(
        log: &SharedLog,
        view: &Arc<View>,
        partition: u16,
        options: &Options,
    ) -> Result<Self, ProcessorError> {
        let partitions = log.partitions();
        let beginning = ProgressRecord { partition, partitions, sequence: 0, images: 0, tags: 0, catalog: 0 };
        let mut inputs = Inputs::open(&**log, beginning, options.batch_records)?;
        let mut replica = Replica::new(Arc::clone(view), partition, partitions);
        let progress = restore::to_the_end(&mut inputs, partition, |taken| {
            take_in(replica.shard(), taken.changes);
        })?;
        // What follows from it is known now; that somebody else commits it is nothing to wait for.
        replica.shard().drain();
        replica.publish_restored(progress);
        let images = replica.shard().index().len();
        telemetry::set(&options.metrics.images, partition, images as u64);
        Ok(Self { inputs, replica, at_end: true })
    }

    /// Takes in what has come since the last call; waits for `timeout` at the most when nothing has. Returns how many
    /// records there were.
    pub fn step(&mut self, timeout: Duration) -> Result<usize, ProcessorError> {
        let taken = self.inputs.read(timeout)?;
        self.at_end = taken.at_end;
        if taken.records > 0 {
            let (changes, _) = take_in(self.replica.shard(), taken.changes);
            self.replica.shard().drain();
            self.replica.publish(changes, taken.progress);
        }
        Ok(taken.records)
    }

    /// Up to where the images were read.
    pub fn images_read(&self) -> Offset {
        self.inputs.progress().images
    }

    /// Whether there was nothing more to take in at the last look.
    pub fn at_end(&self) -> bool {
        self.at_end
    }
}
