//! Closed segments go to the store, each with its head, on a thread of its own: a store that is away holds nothing up.

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

/// Without being told, it is looked for closed segments so often.
const LOOK: Duration = Duration::from_secs(10);
/// The waits before a failed upload is tried again.
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

    /// A segment was closed.
    pub(super) fn wake(&self) {
        self.thread.as_ref().map(JoinHandle::thread).map(Thread::unpark).unwrap_or_default();
    }

    /// Whether the store has the segment and its head.
    pub(super) fn has(&self, segment: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(segment)
    }
}

/// What is under way goes on for as long as a request may take; nobody waits for it, as it is made good at the next start.
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

    /// Everything that is closed and not there yet, oldest first.
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

    /// What was uploaded by an earlier process.
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

    /// The segment first: who sees a head finds what it is of.
    fn put(&mut self, segment: String) -> Result<(), AuditError> {
        for name in [segment.clone(), Names::head(&segment)] {
            // Pruned meanwhile, and so there before.
            let Some(content) = self.dir.small(&name)? else { return Ok(()) };
            if self.store.put(&name, content)? == Put::IsAnother {
                // Nor is anything uploaded behind it: two trails in one place would be none.
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
