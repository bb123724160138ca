//! The log: the only thing the services share. A small trait, and one module for each thing it runs on.
//!
//! A topic has partitions, a partition is a sequence of records with growing offsets. What is appended in one batch
//! becomes visible all at once or never. Offsets have gaps: compaction removes records that a later one with the same
//! key has replaced.

pub mod embedded;
pub mod memory;
mod scan;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use scan::for_each;

pub use crate::record::Record;
use crate::record::Topic;

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

/// What one read returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The records, in order of their offsets.
    pub records: Vec<Stored>,
    /// Where to read on; beyond the last record where compaction left a gap.
    pub next: Offset,
}

/// How much one read may return: it stops at whichever comes first, but returns one record at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records.
    pub records: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// A place to append records to and to read them from. Every call blocks: it is for threads, never for async workers.
pub trait Log: Send + Sync {
    /// How many partitions the partitioned topics have. It never changes during the life of a log.
    fn partitions(&self) -> u16;

    /// A writer with this name. Every earlier writer of the same name is fenced: its appends fail from now on.
    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError>;

    /// The committed records from `from` on.
    fn read(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError>;

    /// The offset that the next record will have.
    fn end(&self, of: TopicPartition) -> Result<Offset, LogError>;

    /// Blocks until one of the partitions has a record at or beyond the offset beside it; `false` after the time-out.
    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration) -> Result<bool, LogError>;
}

/// The right to append under a name.
pub trait Writer: Send {
    /// Appends the batch atomically and returns the offset of each of its records, in the batch's order.
    fn append(&mut self, batch: Batch) -> Result<Vec<Offset>, AppendError>;
}

/// A log as the services share it.
pub type SharedLog = Arc<dyn Log>;

/// Why a log could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process holds the log open.
    #[error("{0}")]
    InUse(String),
    /// The log was written by a version of clade with another format, or with another number of partitions.
    #[error("{0}")]
    Incompatible(String),
    /// The storage failed: disk full, no permission, damaged file.
    #[error("{0}")]
    Storage(String),
    /// The log was closed under the caller.
    #[error("the log is closed")]
    Closed,
}

/// Why a batch was not, or perhaps not, appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A newer writer of the same name exists; nothing was appended. Final for this writer.
    #[error("a newer writer of this name has taken over")]
    Fenced,
    /// Nothing was appended, and the writer can go on.
    #[error("nothing was appended: {0}")]
    NotAppended(String),
    /// It is not known whether the batch was appended. The writer must be dropped and what it wrote read back.
    #[error("it is not known whether the records were appended: {0}")]
    Unknown(String),
    /// A record is larger than [`MAX_RECORD_BYTES`]; nothing was appended.
    #[error(
        "the record {key:?} for {to} has {bytes} bytes, more than the {MAX_RECORD_BYTES} that a record may have"
    )]
    TooLarge {
        /// The record's key.
        key: String,
        /// Where it was to go.
        to: TopicPartition,
        /// Its size.
        bytes: usize,
    },
}

/// The largest key and value together: Apache Kafka's default `max.message.bytes`, so that a log can move there.
pub const MAX_RECORD_BYTES: usize = 1_048_576;
