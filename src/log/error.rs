//! The errors of a log.

use std::path::{Path, PathBuf};

use super::{MAX_RECORD_BYTES, TopicPartition};

/// The error of a library or of the operating system behind one of ours.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of opening or reading a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process holds the log open.
    #[error("{0}")]
    InUse(String),
    /// The log was written by a version of clade with another format, or with another number of partitions.
    #[error("{0}")]
    Incompatible(String),
    /// The configuration is invalid or not allowed.
    #[error("{0}")]
    Configuration(String),
    /// No broker answers.
    #[error("{0}")]
    Unreachable(String),
    /// The storage failed: disk full, no permission.
    #[error("{text}")]
    Storage {
        /// The action, the place and the failure.
        text: String,
        /// The error behind it, if there is one.
        #[source]
        cause: Option<Cause>,
    },
    /// The file has something else than clade has written. Another attempt finds the same.
    #[error(
        "{} is damaged: {problem}; `clade log check --data-dir {}` lists all damages; put a backup of the file in its place, or \
         save what can be read with `clade log repair`",
        .file.display(),
        dir(.file).display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The problem, and its place in the file.
        problem: String,
    },
    /// The log was closed while the caller used it.
    #[error("the log is closed")]
    Closed,
}

fn dir(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}

impl LogError {
    /// Returns an error of the storage without a cause.
    pub fn storage(text: impl Into<String>) -> Self {
        Self::Storage { text: text.into(), cause: None }
    }

    /// Returns an error of the storage at `what`, with its cause.
    pub fn caused(what: impl std::fmt::Display, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        Self::Storage { text: format!("{what}: {cause}"), cause: Some(cause) }
    }
}

/// An error of appending a batch. The batch was not appended, or perhaps not.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A newer writer of the same name exists. Nothing was appended, and this writer can never append again.
    #[error("a newer writer of this name has taken over")]
    Fenced,
    /// Nothing was appended, and the writer can continue.
    #[error("nothing was appended: {0}")]
    NotAppended(String),
    /// The batch may or may not have been appended. The caller must drop the writer and read back its records.
    #[error("it is not known whether the records were appended: {0}")]
    Unknown(String),
    /// A record is larger than [`MAX_RECORD_BYTES`]; nothing was appended.
    #[error(
        "the record {key:?} for {to} has {bytes} bytes, more than the {MAX_RECORD_BYTES} that a record may have"
    )]
    TooLarge {
        /// The key of the record.
        key: String,
        /// The partition of the record.
        to: TopicPartition,
        /// The size of the record in bytes.
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
