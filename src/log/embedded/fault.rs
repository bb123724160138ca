//! Errors within a transaction, and the messages about them.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use redb::Error;

use crate::log::LogError;

/// An error within a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// redb fails.
    Redb(Error),
    /// Something in the file is not what was written: what, and where.
    Damaged(String),
    /// An error that is told as it is.
    Log(LogError),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl Fault {
    pub(super) fn damaged(what: impl Display) -> Self {
        Self::Damaged(what.to_string())
    }

    /// The error of an action on the file.
    pub(super) fn told(self, path: &Path, action: impl Display) -> LogError {
        match self {
            Self::Log(error) => error,
            Self::Damaged(what) => damaged(path, what),
            Self::Redb(error) if is_damage(&error) => damaged(path, error),
            Self::Redb(error) => LogError::caused(format_args!("{action} ({})", path.display()), error),
        }
    }
}

/// Returns `true` if redb fails in this way on a damaged file only: clade has made all tables, and none is read beyond its
/// end.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == ErrorKind::UnexpectedEof,
        Error::Corrupted(_)
        | Error::TableDoesNotExist(_)
        | Error::TableTypeMismatch { .. }
        | Error::TypeDefinitionChanged { .. }
        | Error::TableIsMultimap(_)
        | Error::TableIsNotMultimap(_) => true,
        _ => false,
    }
}

/// The error of a damaged file.
pub(super) fn damaged(path: &Path, what: impl Display) -> LogError {
    LogError::Damaged { file: path.to_owned(), problem: what.to_string() }
}
