//! The index as it was at a time, read from the log again for questions about that time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::log::{LogError, SharedLog};
use crate::processor::{Past, ProcessorError};
use crate::record::Timestamp;
use crate::view::View;

/// The time without a question after which a past is forgotten.
const KEPT: Duration = Duration::from_secs(60);
const MINUTE_MS: i64 = 60 * 1_000;
/// The time between two looks at the clock, at most.
const SLACK_MS: i64 = 1_000;

/// A reason why the index of a time cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// What was appended then may not be there yet.
    #[error(
        "{at} is not over, or has just been: leave the time out for the present, or ask again in {seconds} s"
    )]
    NotOver {
        /// The time.
        at: Timestamp,
        /// Seconds until everything of a moment is certainly there.
        seconds: u64,
    },
    /// Records from before the time are gone.
    #[error(
        "{at} is too long ago: what was replaced before {since} may no longer be on the log; ask for {since} or later"
    )]
    TooOld {
        /// The time.
        at: Timestamp,
        /// A time that can be asked for.
        since: Timestamp,
    },
    /// The log keeps nothing that was replaced.
    #[error(
        "{at} cannot be asked for: the topics images, tags and catalog keep nothing that was replaced, or clade may not read \
         their settings; set min.compaction.lag.ms and allow DescribeConfigs, restart clade, and ask for times after that"
    )]
    NoHistory {
        /// The time.
        at: Timestamp,
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
    /// Held while the log is read: nobody else may read another past then. The API lets one question in at a time.
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
        let past = Past::find(&self.log, at)?;
        if past.is_empty() {
            return Err(PastError::Nothing { at });
        }
        // Before the next one is read: there is never more than one.
        *kept = None;
        let begun = Instant::now();
        let view = Arc::new(View::of(past.read(&self.log, &self.stop)?));
        // The log may have been compacted meanwhile.
        self.check(at)?;
        tracing::info!(%at, seconds = begun.elapsed().as_secs_f32(), "read the log as it was");
        *kept = Some(Kept { at, view: Arc::clone(&view), used: Instant::now() });
        Ok(view)
    }

    fn check(&self, at: Timestamp) -> Result<(), PastError> {
        let (now, commits) = (Timestamp::now(), self.log.commits_within());
        if now.checked_sub(commits).is_ok_and(|settled| at > settled) {
            return Err(PastError::NotOver { at, seconds: commits.as_secs() });
        }
        let since = self.log.complete_since()?;
        if at.as_millisecond() >= since {
            return Ok(());
        }
        // The present counts as the beginning where the log keeps nothing.
        if since >= now.as_millisecond() - SLACK_MS {
            return Err(PastError::NoHistory { at });
        }
        // A time that goes on while somebody types is of no use.
        let next = since.div_euclid(MINUTE_MS).saturating_add(2).saturating_mul(60);
        Err(PastError::TooOld { at, since: Timestamp::from_second(next).unwrap_or(now) })
    }

    /// Forgets the past that nobody has asked for lately.
    pub(super) fn forget(&self) {
        let mut kept = match self.kept.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is being read.
            Err(TryLockError::WouldBlock) => return,
        };
        drop(kept.take_if(|kept| kept.used.elapsed() >= KEPT));
    }

    /// Ends what is being read.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
