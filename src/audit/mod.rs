//! The audit trail: records every change of images, classes and rebuilds in files that nobody can change unnoticed.
//!
//! ```text
//!   outdated, classifications, catalog, rebuilds ─► events (one record, one entry) ─► chain ─► trail (files, fsync)
//!                                                                                                │ closed segments
//!                                              verify, show, replay ◄── archive ◄────────────────┴─► store (S3)
//! ```
//!
//! Each line holds the SHA-256 of the line before it, and ends in its own. The progress in each partition stands in the
//! same lines as the entries. So each line is there exactly once, even after a kill: [`trail`] has the details.
//!
//! `entry`, `words`, `chain`, `check`, `events`, `head`, `replay` are pure; `trail`, `archive`, `search`, `store`, `upload`, `key` and
//! `auditor` have the effects.

mod archive;
mod auditor;
mod backwards;
mod chain;
mod check;
mod crypto;
mod entry;
mod events;
mod head;
mod key;
mod lock;
mod recover;
mod replay;
mod retention;
mod search;
mod signed;
mod store;
mod trail;
mod upload;
mod verify;
mod words;

pub use archive::{Archive, Directory, Names};
pub use auditor::{Auditor, Handle, Options, run};
pub use chain::{Footer, Header, Line, Sealed, SourceOffset, open as open_line, seal as seal_line};
pub use check::{Checker, Finding};
pub use entry::{Entry, Facts, Source};
pub use events::Known;
pub use head::{Head, SignedHead};
pub use key::{PublicKey, SigningKey};
pub use replay::{ClassState, GroupState, ImageState, Moment, RebuildsState, Replay};
pub use search::{Found, Question, search};
pub use signed::SignatureLine;
pub use store::{Store, StoreArchive};
pub use trail::{Layout, Trail};
pub use verify::{Anchor, Report, Wanted, read, verify};

use crate::log::LogError;

/// The topics that are audited. A further topic needs its name here and a file in `events/`.
pub const TOPICS: [crate::record::Topic; 6] = [
    crate::record::Topic::Outdated,
    crate::record::Topic::Classifications,
    crate::record::Topic::Catalog,
    crate::record::Topic::Rebuilds,
    crate::record::Topic::Decisions,
    crate::record::Topic::Admissions,
];

/// An error that ends the audit or makes a trail unusable.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log could not be read.
    #[error("cannot read what is to be audited: {0}")]
    Log(#[from] LogError),
    /// Another auditor writes to the directory.
    #[error("{0}")]
    InUse(String),
    /// A file is not as the auditor wrote it. Nothing was changed.
    #[error("{0}")]
    Damaged(String),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String),
    /// A key, an address or a store is invalid.
    #[error("{0}")]
    Configuration(String),
    /// The store could not be read.
    #[error("{0}")]
    Store(String),
    /// A thread could not be started or has panicked.
    #[error("the auditor's thread: {0}")]
    Thread(String),
}

impl AuditError {
    /// An error of the file system, with the action that failed.
    pub(crate) fn file(tried: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File(format!("cannot {tried} {}: {error}", path.display()))
    }
}
