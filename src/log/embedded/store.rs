//! The file itself. Every transaction goes through here: each is guarded against panics, and each write is durable and quick
//! to repair.

use std::cell::Cell;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use super::fault::Fault;
use super::guard::guarded;
use crate::log::LogError;

/// The open file.
pub(super) struct Store {
    /// `None` only while it is dropped.
    database: Option<Database>,
    path: PathBuf,
}

/// A transaction that failed.
pub(super) struct Unwritten {
    pub(super) error: LogError,
    /// `true` if it may have been written all the same.
    pub(super) is_unknown: bool,
}

impl From<Unwritten> for LogError {
    fn from(failed: Unwritten) -> Self {
        failed.error
    }
}

impl Store {
    /// Opens the file at `path`. `failed` says what a failure means.
    pub(super) fn open(
        path: &Path,
        open: impl FnOnce() -> Result<Database, DatabaseError>,
        failed: impl FnOnce(DatabaseError) -> LogError,
    ) -> Result<Self, LogError> {
        let database = guarded(path, || open().map_err(failed))?;
        Ok(Self { database: Some(database), path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the last commit. `action` begins the message of a failure.
    pub(super) fn read<T>(
        &self,
        action: impl Display,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, LogError> {
        guarded(&self.path, || {
            let database = self.database.as_ref().ok_or(LogError::Closed)?;
            let read = || work(&database.begin_read()?);
            read().map_err(|fault| fault.told(&self.path, action))
        })
    }

    /// Writes one transaction, all of it or nothing.
    pub(super) fn write<T>(
        &self,
        action: impl Display,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Unwritten> {
        let is_committing = Cell::new(false);
        let written = guarded(&self.path, || {
            let database = self.database.as_ref().ok_or(LogError::Closed)?;
            let write = || {
                let mut transaction = database.begin_write()?;
                transaction.set_durability(Durability::Immediate)?;
                // Without it, redb walks through the whole file when it opens after a crash.
                transaction.set_quick_repair(true);
                let done = work(&transaction)?;
                is_committing.set(true);
                transaction.commit()?;
                Ok(done)
            };
            write().map_err(|fault: Fault| fault.told(&self.path, action))
        });
        written.map_err(|error| Unwritten { error, is_unknown: is_committing.get() })
    }

    /// redb's own check of the whole file: returns `false` if it has found something and repaired it.
    pub(super) fn check_integrity(&mut self) -> Result<bool, LogError> {
        let database = self.database.as_mut().ok_or(LogError::Closed)?;
        guarded(&self.path, || {
            database.check_integrity().map_err(|error| Fault::from(error).told(&self.path, "cannot check"))
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // redb writes when it closes. Whoever drops the log cannot do anything about a failure; the file stays as it is after
        // a crash.
        let database = self.database.take();
        if let Err(error) = guarded(&self.path, || {
            drop(database);
            Ok(())
        }) {
            tracing::warn!(%error, "the log was not closed properly");
        }
    }
}
