//! What can go wrong with a log.

use super::{MAX_RECORD_BYTES, TopicPartition};

/// The error of a library or of the system below one of ours.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

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
    #[error("{text}")]
    Storage {
        /// What was tried, where, and what became of it.
        text: String,
        /// The error below, where there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The log was closed under the caller.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// The storage failed, for a reason of our own.
    pub fn storage(text: impl Into<String>) -> Self {
        Self::Storage { text: text.into(), cause: None }
    }

    /// The storage failed at `what`, for the reason below.
    pub fn caused(what: impl std::fmt::Display, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        Self::Storage { text: format!("{what}: {cause}"), cause: Some(cause) }
    }
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

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_of_the_storage_keeps_the_one_below() {
        let error = LogError::caused("cannot read log.redb", std::io::Error::other("the disk is on fire"));
        assert_eq!(error.to_string(), "cannot read log.redb: the disk is on fire");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the disk is on fire"));
        assert!(LogError::storage("nobody answers").source().is_none());
    }
}
