//! What can go wrong with a log.

use super::{MAX_RECORD_BYTES, TopicPartition};

/// Why a log could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process holds the log open.
    #[error("{0}")]
    InUse(String),
    /// The log was written by a version of clade with another format, or with another number of partitions.
    #[error("{0}")]
    Incompatible(String),
    /// What was configured makes no sense, or is not allowed.
    #[error("{0}")]
    Configuration(String),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
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
