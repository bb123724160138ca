//! The index as it was at a time, read from the log again for questions about that time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::log::{LogError, SharedLog};
use crate::processor::{self, ProcessorError};
use crate::record::Timestamp;
use crate::view::View;

/// The time without a question after which a past is forgotten.
const KEPT: Duration = Duration::from_secs(60);

/// A reason why the index of a time cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// It has not been that time yet.
    #[error("{at} is not over: leave the time out for the present")]
    Future {
        /// The time.
        at: Timestamp,
    },
    /// Records from before the time are gone.
    #[error(
        "{at} is too long ago: what was replaced before {since} is no longer on the log; ask for {since} or later"
    )]
    TooOld {
        /// The time.
        at: Timestamp,
        /// The earliest time that can be asked for.
        since: Timestamp,
    },
    /// Nothing was on the log yet.
    #[error("{at} is too long ago: nothing was on the log yet; ask for a later time")]
    Nothing {
        /// The time.
        at: Timestamp,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
}

impl From<LogError> for PastError {
    fn from(error: LogError) -> Self {
        Self::Processor(error.into())
    }
}

/// The pasts that questions ask for. It takes as much memory as a copy of the index, so there is one at a time.
pub(super) struct Pasts {
    log: SharedLog,
    stop: AtomicBool,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    at: Timestamp,
    view: Arc<View>,
    used: Instant,
}

impl Pasts {
    pub(super) fn new(log: SharedLog) -> Self {
        Self { log, stop: AtomicBool::new(false), kept: Mutex::new(None) }
    }

    /// The index as it was at a time: the one that was asked for last, or else read from the log, for which others wait.
    pub(super) fn view(&self, at: Timestamp) -> Result<Arc<View>, PastError> {
        // Without the lower digits, since the log counts milliseconds.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        self.check(at)?;
        let mut kept = self.kept();
        if let Some(kept) = kept.as_mut().filter(|kept| kept.at == at) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.view));
        }
        // Before the next one is read: there is never more than one.
        *kept = None;
        let view = Arc::new(self.read(at)?);
        *kept = Some(Kept { at, view: Arc::clone(&view), used: Instant::now() });
        Ok(view)
    }

    fn check(&self, at: Timestamp) -> Result<(), PastError> {
        if at >= Timestamp::now() {
            return Err(PastError::Future { at });
        }
        let since = self.log.complete_since()?;
        if at.as_millisecond() < since {
            let since = Timestamp::from_millisecond(since).unwrap_or(Timestamp::MAX);
            return Err(PastError::TooOld { at, since });
        }
        Ok(())
    }

    fn read(&self, at: Timestamp) -> Result<View, PastError> {
        let begun = Instant::now();
        let (mut partitions, mut records) = (Vec::new(), 0);
        for partition in 0..self.log.partitions() {
            let (committed, read) = processor::past(&self.log, partition, at, &self.stop)?;
            partitions.push(committed);
            records += read;
        }
        if records == 0 {
            return Err(PastError::Nothing { at });
        }
        // The log may have been compacted meanwhile.
        self.check(at)?;
        tracing::info!(%at, records, seconds = begun.elapsed().as_secs_f32(), "read the log as it was");
        Ok(View::of(partitions))
    }

    /// Forgets the past that nobody has asked for lately.
    pub(super) fn forget(&self) {
        match self.kept.try_lock() {
            Ok(mut kept) => drop(kept.take_if(|kept| kept.used.elapsed() >= KEPT)),
            // It is being read.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = None,
        }
    }

    /// Ends what is being read.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
