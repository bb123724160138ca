//! The partitions as they were at a time: concluded again from the records that were on the log then.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::ProcessorError;
use super::input::{Ends, Inputs, take_in};
use super::restore::to_the_end;
use crate::log::{LogError, SharedLog, TopicPartition};
use crate::oci::Timestamp;
use crate::record::{ProgressRecord, Topic};
use crate::shard::Shard;
use crate::view::Committed;

/// Records of one read, at most.
const RECORDS: usize = 4_096;
/// Pause after a read that found nothing before the end: a broker has not answered yet.
const PAUSE: Duration = Duration::from_millis(10);

/// The log as it was at a time: for each partition, the offsets before which its inputs ended.
pub struct Past {
    partitions: Vec<Ends>,
}

impl Past {
    /// Finds the ends of all inputs before anything is read of them.
    pub fn find(log: &SharedLog, at: Timestamp) -> Result<Self, LogError> {
        let after = at.as_millisecond().saturating_add(1);
        let end = |topic, partition| log.offset_at(TopicPartition { topic, partition }, after);
        let catalog = end(Topic::Catalog, 0)?;
        let ends = |partition| {
            let (images, tags) = (end(Topic::Images, partition)?, end(Topic::Tags, partition)?);
            Ok(Ends { images, tags, catalog })
        };
        Ok(Self { partitions: (0..log.partitions()).map(ends).collect::<Result<_, LogError>>()? })
    }

    /// Returns `true` if nothing had been appended then.
    pub fn is_empty(&self) -> bool {
        self.partitions.iter().all(Ends::are_beginnings)
    }

    /// Concludes the state of every partition. Blocks for as long as reading the log takes; ends early once `stop` is set.
    pub fn read(&self, log: &SharedLog, stop: &AtomicBool) -> Result<Vec<Committed>, ProcessorError> {
        let read = |(partition, ends)| partition_until(log, partition, ends, stop);
        (0..).zip(&self.partitions).map(read).collect()
    }
}

fn partition_until(
    log: &SharedLog,
    partition: u16,
    ends: &Ends,
    stop: &AtomicBool,
) -> Result<Committed, ProcessorError> {
    let partitions = log.partitions();
    let beginning = ProgressRecord::beginning(partition, partitions);
    let mut inputs = Inputs::open(&**log, beginning, RECORDS)?.until(*ends);
    let mut shard = Shard::new(partition, partitions);
    let progress = to_the_end(&mut inputs, partition, stop, |taken| {
        if taken.records == 0 && !taken.at_end {
            std::thread::park_timeout(PAUSE);
        }
        take_in(&mut shard, taken.changes);
    })?;
    shard.catch_up();
    shard.settle();
    Ok(Committed { shard, progress })
}
