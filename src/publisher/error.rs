//! What can go wrong while publishing.

use crate::log::{AppendError, LogError};

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log could not be read or opened for writing.
    #[error("cannot read what was published before: {0}")]
    Log(#[from] LogError),
    /// The log did not take the records. What is pending was not, or not surely, written: import again.
    #[error("cannot write to the log: {0}")]
    Append(#[from] AppendError),
    /// A value could not be written as JSON.
    #[error("cannot encode a record: {0}")]
    Encode(#[from] serde_json::Error),
    /// A record that the publisher wrote before cannot be read back.
    #[error("a published record cannot be read back: {0}")]
    Decode(#[from] crate::record::DecodeError),
    /// The class or group that was to be deleted does not exist.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// `class` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A class or group cannot be followed as it is declared.
    #[error(transparent)]
    Invalid(#[from] crate::declare::Invalid),
    /// The publisher was made anew after an error of the log, while something was being taken in.
    #[error("the log has failed meanwhile: take it in again")]
    Interrupted,
    /// The publisher's thread has ended.
    #[error("the publisher has ended; this is a bug in clade")]
    Ended,
    /// The topics are in a state in which nobody may publish to them.
    #[error("{0}")]
    Refused(String),
}
