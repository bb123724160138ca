//! Follows the topic of workloads for readers. They are few beside images and in no partition, so one thread reads them into one
//! table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bell::Bell;
use crate::log::{LogError, Offset, ReadLimit, SharedLog, Stored};
use crate::record::{Topic, WorkloadRecord, decode};
use crate::retry::{Backoff, Policy};
use crate::view::{View, Workloads};

/// Limit of a read: large enough to be fast, small enough not to matter in memory.
const READ: ReadLimit = ReadLimit { records: 2_000, bytes: 4 << 20 };
/// Interval at which the thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);
/// The time between two tables for readers, at least: each is a copy of the references to all workloads.
const PAUSE: Duration = Duration::from_millis(100);
/// Delays after a failure of the log.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(64));

/// The thread. Dropping it stops it and waits for it.
pub(super) struct Following {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The offset up to which readers see everything.
    seen: AtomicU64,
    is_at_end: AtomicBool,
    has_failed: AtomicBool,
}

impl Following {
    pub(super) fn start(log: SharedLog, view: Arc<View>, bell: Bell) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let of = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("workloads".to_owned())
            .spawn(move || follow(&log, &view, &bell, &of))
            .map_err(|error| LogError::caused("cannot start the thread that reads workloads", error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns `true` if readers see everything before this offset.
    pub(super) fn has_seen(&self, end: Offset) -> bool {
        self.shared.seen.load(Ordering::Acquire) >= end
    }

    /// Returns `true` if readers saw everything that there was at the last look, or the topic cannot be read: workloads are then
    /// missing from answers, which say so, and everything else is there.
    pub(super) fn is_done(&self) -> bool {
        self.shared.is_at_end.load(Ordering::Acquire) || self.shared.has_failed.load(Ordering::Acquire)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Nothing depends on the result of the thread.
            let _ = thread.join();
        }
    }
}

fn follow(log: &SharedLog, view: &View, bell: &Bell, shared: &Shared) {
    let mut backoff = Backoff::new(RETRY);
    while !shared.stop.load(Ordering::Relaxed) {
        let Err(error) = read(log, view, bell, shared, &mut backoff) else { return };
        shared.is_at_end.store(false, Ordering::Release);
        shared.has_failed.store(true, Ordering::Release);
        bell.ring();
        let failure = backoff.failed();
        if failure.is_logged() {
            let seconds = failure.wait.as_secs_f32().ceil();
            tracing::warn!(failures = failure.times, "cannot read workloads: {error}; again in {seconds} s");
        }
        std::thread::park_timeout(failure.wait);
    }
}

/// Reads the topic from its beginning. Readers keep the table that they have until the new one is whole.
fn read(
    log: &SharedLog,
    view: &View,
    bell: &Bell,
    shared: &Shared,
    backoff: &mut Backoff,
) -> Result<(), LogError> {
    let mut reader = log.reader(Topic::Workloads, &[(0, 0)])?;
    let mut table = Workloads::default();
    let (mut told, mut has_changed) = (None::<Instant>, true);
    while !shared.stop.load(Ordering::Relaxed) {
        let fetched = reader.read(READ, LOOK)?;
        backoff.succeeded();
        shared.has_failed.store(false, Ordering::Release);
        has_changed |= !fetched.records.is_empty();
        fetched.records.iter().for_each(|stored| take(&mut table, stored));
        table.offset = table.offset.max(fetched.next);
        table.is_whole |= fetched.at_end;
        if table.is_whole && has_changed && told.is_none_or(|told| told.elapsed() >= PAUSE) {
            view.set_workloads(table.clone());
            (told, has_changed) = (Some(Instant::now()), false);
        }
        if table.is_whole && !has_changed {
            shared.seen.store(table.offset, Ordering::Release);
            shared.is_at_end.store(fetched.at_end, Ordering::Release);
            bell.ring();
        }
    }
    Ok(())
}

fn take(table: &mut Workloads, stored: &Stored) {
    match decode::<WorkloadRecord>(&stored.record) {
        Ok(record) => table.put(&stored.record.key, record),
        Err(error) => {
            let key: String = stored.record.key.chars().take(256).collect();
            tracing::warn!(key, "the record of a workload cannot be read: {error}");
        }
    }
}
