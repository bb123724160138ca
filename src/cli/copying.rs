//! Makes a log of the parts of a copy, and shows how far it is: for `clade backup` and `clade log repair`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::progress;
use crate::log::LogError;
use crate::log::embedded::{Restored, Restoring};

/// The log that is being made, with its progress.
pub(super) struct Copying {
    restoring: Restoring,
    bar: progress::Progress,
}

impl Copying {
    pub(super) fn begin(dir: &Path) -> Result<Self, LogError> {
        Ok(Self { restoring: Restoring::begin(dir)?, bar: progress::count(0, "copying") })
    }

    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), LogError> {
        self.restoring.take(piece)?;
        let (done, of) = self.restoring.records();
        self.bar.set(done, of);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Restored, LogError> {
        self.bar.finish();
        // redb reads on one thread at a time, and tells from within.
        let bar = Mutex::new(progress::bytes(0, "checking"));
        self.restoring.finish(move |done, of| {
            bar.lock().unwrap_or_else(PoisonError::into_inner).set(done, of);
        })
    }
}
