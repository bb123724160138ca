//! One partition as it was at a time: concluded again from the records that were on the log then.

use std::sync::atomic::AtomicBool;

use super::ProcessorError;
use super::input::{Ends, Inputs, take_in};
use super::restore::to_the_end;
use crate::log::{SharedLog, TopicPartition};
use crate::oci::Timestamp;
use crate::record::{ProgressRecord, Topic};
use crate::shard::Shard;
use crate::view::Committed;

/// Records of one read, at most.
const RECORDS: usize = 4_096;

/// The state of a partition from all records that were appended up to `at`, and the number of these records. Blocks for as
/// long as reading them takes, and ends early once `stop` is set.
pub fn past(
    log: &SharedLog,
    partition: u16,
    at: Timestamp,
    stop: &AtomicBool,
) -> Result<(Committed, usize), ProcessorError> {
    let partitions = log.partitions();
    let end = |topic, partition| {
        log.offset_at(TopicPartition { topic, partition }, at.as_millisecond().saturating_add(1))
    };
    let ends = Ends {
        images: end(Topic::Images, partition)?,
        tags: end(Topic::Tags, partition)?,
        catalog: end(Topic::Catalog, 0)?,
    };
    let beginning = ProgressRecord::beginning(partition, partitions);
    let mut inputs = Inputs::open(&**log, beginning, RECORDS)?.until(ends);
    let mut shard = Shard::new(partition, partitions);
    let mut records = 0;
    let progress = to_the_end(&mut inputs, partition, stop, |taken| {
        records += taken.records;
        take_in(&mut shard, taken.changes);
    })?;
    shard.catch_up();
    shard.settle();
    Ok((Committed { shard, progress }, records))
}
