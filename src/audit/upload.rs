//! Copies closed segments with their heads to the store, on a thread of its own: an unreachable store delays nothing
//! else.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::AuditError;
use super::archive::{Archive as _, Directory, Names};
use super::store::{Put, Store};
use crate::retry::{Backoff, Policy};
use crate::telemetry::AuditMetrics;

/// Interval at which the uploader looks for closed segments without being woken.
const LOOK: Duration = Duration::from_secs(10);
/// Delays before a failed upload is retried.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(120));

/// Uploads until it is dropped.
pub(super) struct Uploader {
    thread: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
    kept: Arc<Mutex<BTreeSet<String>>>,
}

impl Uploader {
    pub(super) fn start(dir: Directory, store: Store, metrics: AuditMetrics) -> Result<Self, AuditError> {
        let (ended, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let work = Work { dir, store, metrics, kept: Arc::clone(&kept), is_listed: false };
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("audit-upload".to_owned())
            .spawn(move || work.run(&told))
            .map_err(|error| AuditError::Thread(error.to_string()))?;
        Ok(Self { thread: Some(thread), ended, kept })
    }

    /// Wakes the uploader after a segment was closed.
    pub(super) fn wake(&self) {
        self.thread.as_ref().map(JoinHandle::thread).map(Thread::unpark).unwrap_or_default();
    }

    /// Returns `true` if the store has the segment and its head.
    pub(super) fn has(&self, segment: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(segment)
    }
}

/// A running upload goes on until its request ends. Nothing waits for it, as the next start makes up for it.
impl Drop for Uploader {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.wake();
    }
}

struct Work {
    dir: Directory,
    store: Store,
    metrics: AuditMetrics,
    kept: Arc<Mutex<BTreeSet<String>>>,
    is_listed: bool,
}

impl Work {
    fn run(mut self, ended: &AtomicBool) {
        let mut backoff = Backoff::new(RETRY);
        while !ended.load(Ordering::Relaxed) {
            let wait = match self.upload(ended) {
                Ok(()) => {
                    backoff.succeeded();
                    LOOK
                }
                Err(error) => {
                    self.metrics.upload_failures.inc();
                    let failure = backoff.failed();
                    if failure.is_logged() {
                        let seconds = failure.wait.as_secs();
                        tracing::warn!(
                            failures = failure.times,
                            "{error}; the audit goes on, and it is tried again in {seconds} s"
                        );
                    }
                    failure.wait
                }
            };
            std::thread::park_timeout(wait);
        }
    }

    /// Uploads every closed segment that the store does not have, oldest first.
    fn upload(&mut self, ended: &AtomicBool) -> Result<(), AuditError> {
        let names = self.dir.names()?;
        let heads: BTreeSet<String> = names.iter().filter_map(|name| Names::segment_of(name)).collect();
        if !self.is_listed {
            self.list(&heads)?;
            self.is_listed = true;
        }
        let mut waiting: Vec<String> = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            heads.iter().filter(|name| !kept.contains(*name)).cloned().collect()
        };
        waiting.reverse();
        self.tell(waiting.len());
        while let Some(segment) = waiting.pop() {
            if ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.put(segment)?;
            self.tell(waiting.len());
        }
        Ok(())
    }

    fn tell(&self, waiting: usize) {
        self.metrics.uploads_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Lists the segments that an earlier process has uploaded.
    fn list(&mut self, heads: &BTreeSet<String>) -> Result<(), AuditError> {
        let there: HashMap<String, u64> = self.store.list()?.into_iter().collect();
        let is_there = |name: &str| {
            let here = std::fs::metadata(self.dir.path().join(name)).map(|of| of.len()).ok();
            here.is_some() && there.get(name).copied() == here
        };
        let kept = heads.iter().filter(|segment| is_there(segment) && is_there(&Names::head(segment)));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(kept.cloned());
        Ok(())
    }

    /// Uploads the segment first: a reader that sees a head then finds its segment.
    fn put(&mut self, segment: String) -> Result<(), AuditError> {
        for name in [segment.clone(), Names::head(&segment)] {
            // The segment was pruned meanwhile, so the store had it before.
            let Some(content) = self.dir.small(&name)? else { return Ok(()) };
            if self.store.put(&name, content)? == Put::IsAnother {
                // Nothing is uploaded behind it: two trails in one place would be unreadable.
                let store = &self.store;
                return Err(AuditError::Store(format!(
                    "the store {store:?} has something else under the name {name}, which is left as it is: compare both with \
                     `clade audit verify`, or choose another prefix"
                )));
            }
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(segment);
        Ok(())
    }
}
