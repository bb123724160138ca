//! The log, the only thing that the services share: a small trait, and one module for each backend.
//!
//! A topic has partitions; a partition is a sequence of records with growing offsets. The records of one batch become
//! visible all at once or never. Offsets have gaps: compaction removes records that a later one with the same key has
//! replaced.

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
pub use follow::{Begin, Followed, Follower};
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

/// A record as a reader returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The position of the record in its partition.
    pub offset: Offset,
    /// The time of the append, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The record.
    pub record: Record,
}

/// Records that become visible together.
pub type Batch = Vec<(TopicPartition, Record)>;

/// The result of one read of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The partition.
    pub partition: u16,
    /// The records, in order of their offsets.
    pub records: Vec<Stored>,
    /// The offset to read on from. It lies beyond the last record if something that is no record follows it.
    pub next: Offset,
    /// `true` if none of the reader's partitions had anything more at the moment of the read.
    pub at_end: bool,
}

/// The limits of one read. It stops at whichever comes first, but returns at least one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records.
    pub records: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

impl ReadLimit {
    /// Returns `true` if the read stopped because of this limit, so that more may follow.
    pub fn is_reached_by(&self, fetched: &Fetched) -> bool {
        let bytes = || fetched.records.iter().map(|stored| stored.record.bytes()).sum::<usize>();
        fetched.records.len() >= self.records || bytes() >= self.bytes
    }
}

/// A place to append records to and to read them from. Every call blocks: call it from threads, never from async
/// workers.
pub trait Log: Send + Sync {
    /// The number of partitions of the partitioned topics. It never changes during the life of a log.
    fn partitions(&self) -> u16;

    /// Returns a writer with this name. It fences every earlier writer of the same name, whose appends fail from now
    /// on.
    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError>;

    /// Returns a reader of the committed records of these partitions, each from the given offset on.
    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError>;

    /// Reads the committed record at this offset, if it still exists.
    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError>;

    /// The offset after every committed record, including those that readers do not see yet. The next record will have
    /// this offset or a higher one.
    fn end(&self, of: TopicPartition) -> Result<Offset, LogError>;

    /// The offset of the first committed record with this timestamp or a later one, in milliseconds since the Unix
    /// epoch; the end if there is none. Clocks are set back at times, so a later record may be older again.
    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError>;

    /// The minimum time for which a tombstone can be read. A reader that stops at some offset and is away for longer
    /// may miss one.
    fn deletions_kept(&self) -> Duration {
        default_deletions_kept()
    }

    /// The time since which the log has every record of the topics that keep a history, in milliseconds since the Unix
    /// epoch: of any later time it can be read as it was then.
    fn complete_since(&self) -> Result<i64, LogError>;

    /// The longest time between the timestamp of a record and its commit: of a moment that is longer ago, nothing comes any
    /// more.
    fn commits_within(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// The copies of this log; `None` if its servers copy it.
    fn copies(&self) -> Option<&dyn Copies> {
        None
    }
}

/// Receives a copy of a log, piece by piece. After an error nothing more comes.
pub type TakePiece<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), LogError>;

/// A log that can be copied while others read it and append to it.
pub trait Copies: Send + Sync {
    /// Passes on all records as they stood at one moment. [`embedded::Restoring`] makes a log of the pieces. If the copy
    /// fails, the last piece says so too. Blocks; until it returns, the file keeps what is removed from it meanwhile.
    fn copy(&self, to: TakePiece<'_>) -> Result<(), LogError>;
}

/// The same for topics with the settings in `topics/`.
fn default_deletions_kept() -> Duration {
    let compacted = Topic::ALL.into_iter().filter(|topic| topic.cleanup() == Cleanup::Compact);
    let kept = compacted.map(Topic::retention_ms).min().unwrap_or(0);
    Duration::from_millis(kept.unsigned_abs())
}

/// Reads continuously. A reader is for one thread, and may fetch ahead.
pub trait Reader: Send {
    /// Reads the records of one partition since the last call. If there are none, the reader reports once that it is at
    /// the end, and from then on waits at most `timeout`.
    fn read(&mut self, limit: ReadLimit, timeout: Duration) -> Result<Fetched, LogError>;
}

/// The right to append under a name. A writer that is dropped while a batch is under way first lets the batch be committed or
/// come to nothing.
pub trait Writer: Send {
    /// Begins to append the batch atomically. [`Writer::finish`] must be called before the next batch.
    fn begin(&mut self, batch: Batch) -> Result<(), AppendError>;

    /// Waits until the batch is committed. Returns the offset of each of its records, in the batch's order.
    fn finish(&mut self) -> Result<Vec<Offset>, AppendError>;

    /// Does the periodic work of a client. The owner of a writer calls it now and then while nothing is appended.
    fn idle(&mut self) {}

    /// Appends the batch atomically.
    fn append(&mut self, batch: Batch) -> Result<Vec<Offset>, AppendError> {
        self.begin(batch)?;
        self.finish()
    }
}

/// A log as the services share it.
pub type SharedLog = Arc<dyn Log>;

/// The maximum size of key and value together, in bytes: Apache Kafka's default `max.message.bytes`, so that a log can
/// move there.
pub const MAX_RECORD_BYTES: usize = 1_048_576;

/// Refuses a record that exceeds the limit.
pub fn check_size(to: TopicPartition, record: &Record) -> Result<(), AppendError> {
    match record.bytes() {
        bytes if bytes > MAX_RECORD_BYTES => {
            Err(AppendError::TooLarge { key: record.key.clone(), to, bytes })
        }
        _ => Ok(()),
    }
}

/// Refuses a batch with a record that exceeds the limit.
fn check_sizes(batch: &Batch) -> Result<(), AppendError> {
    batch.iter().try_for_each(|(to, record)| check_size(*to, record))
}
