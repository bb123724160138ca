//! The errors of publishing.

use crate::log::{AppendError, LogError};

/// An error of publishing.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log could not be read or opened for writing.
    #[error("cannot read what was published before: {0}")]
    Log(#[from] LogError),
    /// The log did not take the records. Pending records were not written, or perhaps not: import again.
    #[error("cannot write to the log: {0}")]
    Append(#[from] AppendError),
    /// A value could not be encoded as JSON.
    #[error("cannot encode a record: {0}")]
    Encode(#[from] serde_json::Error),
    /// A record that the publisher wrote before cannot be read back.
    #[error("a published record cannot be read back: {0}")]
    Decode(#[from] crate::record::DecodeError),
    /// The class or group to delete does not exist.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// `class` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A class or group cannot be followed as declared.
    #[error(transparent)]
    Invalid(#[from] crate::declare::Invalid),
    /// The publisher was replaced after an error of the log, while observations were being taken in.
    #[error("the log has failed meanwhile: take it in again")]
    Interrupted,
    /// The publisher's thread has ended.
    #[error("the publisher has ended; this is a bug in clade")]
    Ended,
    /// A migration has not finished, so publishing to the topics is forbidden.
    #[error("{0}")]
    Refused(String),
}
