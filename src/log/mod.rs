//! The log: the only thing the services share. A small trait, and one module for each thing it runs on.
//!
//! A topic has partitions, a partition is a sequence of records with growing offsets. What is appended in one batch
//! becomes visible all at once or never. Offsets have gaps: compaction removes records that a later one with the same
//! key has replaced.

pub mod embedded;
mod error;
pub mod follow;
pub mod kafka;
pub mod memory;
mod positional;
mod scan;
mod topics;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use error::{AppendError, LogError};
pub use follow::{Followed, Follower};
pub use scan::{for_each, for_each_from, for_each_of};
pub use topics::{FoundTopic, MissingTopic};

pub use crate::record::Record;
use crate::record::{Cleanup, Topic};

/// The position of a record in its partition.
pub type Offset = u64;

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: u16,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it stands in its partition.
    pub offset: Offset,
    /// When it was appended, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The record.
    pub record: Record,
}

/// Records that become visible together.
pub type Batch = Vec<(TopicPartition, Record)>;

/// What one read of a partition returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The partition.
    pub partition: u16,
    /// The records, in order of their offsets.
    pub records: Vec<Stored>,
    /// Where to read on; beyond the last record where something that is no record stands behind it.
    pub next: Offset,
    /// Whether none of the reader's partitions had anything more at the moment of the read.
    pub at_end: bool,
}

/// How much one read may return: it stops at whichever comes first, but returns one record at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records.
    pub records: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

impl ReadLimit {
    /// Whether the read stopped because of this, and so may have left something.
    pub fn is_reached_by(&self, fetched: &Fetched) -> bool {
        let bytes = || fetched.records.iter().map(|stored| stored.record.bytes()).sum::<usize>();
        fetched.records.len() >= self.records || bytes() >= self.bytes
    }
}

/// A place to append records to and to read them from. Every call blocks: it is for threads, never for async workers.
pub trait Log: Send + Sync {
    /// How many partitions the partitioned topics have. It never changes during the life of a log.
    fn partitions(&self) -> u16;

    /// A writer with this name. Every earlier writer of the same name is fenced: its appends fail from now on.
    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError>;

    /// A reader of committed records: of these partitions of a topic, each from the offset beside it on.
    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError>;

    /// The committed record at this offset, if it is there still.
    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError>;

    /// Beyond every committed record, whether readers see it yet or not: the next one will have this offset or a higher
    /// one.
    fn end(&self, of: TopicPartition) -> Result<Offset, LogError>;

    /// Where to read on from a moment: the first committed record with this timestamp or a later one, in milliseconds since
    /// the Unix epoch; the end, where there is none. Clocks go back at times: a later record may be older again.
    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError>;

    /// How long a deletion can be read after it was made, at the least. Who has read up to some place and is away for
    /// longer may miss one.
    fn deletions_kept(&self) -> Duration {
        default_deletions_kept()
    }
}

/// The same on topics that are as `topics/` says.
fn default_deletions_kept() -> Duration {
    let compacted = Topic::ALL.into_iter().filter(|topic| topic.cleanup() == Cleanup::Compact);
    let kept = compacted.map(Topic::retention_ms).min().unwrap_or(0);
    Duration::from_millis(kept.unsigned_abs())
}

/// Reads on and on. It is made for one thread, and may fetch ahead.
pub trait Reader: Send {
    /// What has come since the last call, of one partition. When there is nothing it says once that the end is reached,
    /// and from then on waits for `timeout` at the most.
    fn read(&mut self, limit: ReadLimit, timeout: Duration) -> Result<Fetched, LogError>;
}

/// The right to append under a name.
pub trait Writer: Send {
    /// Begins to append the batch atomically. [`Writer::finish`] must be called before the next batch.
    fn begin(&mut self, batch: Batch) -> Result<(), AppendError>;

    /// Waits until the batch is committed and returns the offset of each of its records, in the batch's order.
    fn finish(&mut self) -> Result<Vec<Offset>, AppendError>;

    /// To be called now and then while nothing is appended: what a client of the log has to do meanwhile.
    fn idle(&mut self) {}

    /// Appends the batch atomically.
    fn append(&mut self, batch: Batch) -> Result<Vec<Offset>, AppendError> {
        self.begin(batch)?;
        self.finish()
    }
}

/// A log as the services share it.
pub type SharedLog = Arc<dyn Log>;

/// The largest key and value together: Apache Kafka's default `max.message.bytes`, so that a log can move there.
pub const MAX_RECORD_BYTES: usize = 1_048_576;

/// Refuses a record that no log takes.
pub fn check_size(to: TopicPartition, record: &Record) -> Result<(), AppendError> {
    match record.bytes() {
        bytes if bytes > MAX_RECORD_BYTES => {
            Err(AppendError::TooLarge { key: record.key.clone(), to, bytes })
        }
        _ => Ok(()),
    }
}

/// Refuses a batch with a record that no log takes.
fn check_sizes(batch: &Batch) -> Result<(), AppendError> {
    batch.iter().try_for_each(|(to, record)| check_size(*to, record))
}
