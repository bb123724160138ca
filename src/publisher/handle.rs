//! Shares the one publisher of a process: a thread owns it and takes one request after another.
//!
//! ```text
//!   sources ─► observe ─┐
//!   API     ─► declare ─┼─► requests (bounded) ─► the thread: Publisher ─► the log
//!   API     ─► delete  ─┘                             └─► the catalog, for its watchers
//! ```
//!
//! The thread creates its publisher at the first request, by reading the log. A request that is refused changes nothing
//! and costs no read. Only after an error of the log the thread drops its publisher, which no longer knows what it has
//! written; the next request reads the log again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::polled::Doubts;
use super::remembered::Remembered;
use super::{Counts, Indexes, Outcome, PublishError, Publisher};
use crate::class::Catalog;
use crate::declare::Manifest;
use crate::log::SharedLog;
use crate::observe::{Observation, Published, Wanted};
use crate::record::{CatalogKey, Timestamp};
use crate::telemetry::{Metrics, Spans};

/// Requests that may wait. A caller waits for its answer, and an intake for all but the last few, so there are never many
/// more requests than callers; further callers wait for room.
const WAITING: usize = 16;

/// The settings of a shared publisher.
#[derive(Clone)]
pub struct Settings {
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// The settling delay.
    pub delay: Duration,
    /// The exporter of spans.
    pub spans: Spans,
    /// The metrics of the process.
    pub metrics: Metrics,
}

/// A handle of the publisher of a process. Clones share it; the thread ends with the last of them. Every call blocks
/// until the publisher has written, but for those of an [`Intake`](super::Intake).
#[derive(Clone)]
pub struct Publishing {
    thread: Arc<Thread>,
    has_read: Arc<AtomicBool>,
    catalog: watch::Receiver<Arc<Catalog>>,
    wanted: watch::Receiver<Option<Arc<Wanted>>>,
}

type Request = Box<dyn FnOnce(&mut Owner) + Send>;

/// The thread. Dropping it waits until the thread has carried out all requests and let go of the log.
struct Thread {
    /// `None` once the thread is to end.
    requests: Option<SyncSender<Request>>,
    running: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(Err(_)) = self.running.take().map(JoinHandle::join) {
            tracing::error!("the publisher has panicked; this is a bug in clade");
        }
    }
}

impl Publishing {
    /// Starts the thread. It reads nothing before the first request.
    pub fn start(log: SharedLog, settings: Settings) -> std::io::Result<Self> {
        let (requests, received) = sync_channel(WAITING);
        let (told, catalog) = watch::channel(Arc::default());
        let (wants, wanted) = watch::channel(None);
        let has_read = Arc::new(AtomicBool::new(false));
        let owner = Owner {
            number: 0,
            log,
            settings,
            publisher: None,
            indexes: Indexes::default(),
            doubts: Doubts::default(),
            remembered: Remembered::default(),
            has_read: Arc::clone(&has_read),
            told,
            wants,
        };
        let running =
            std::thread::Builder::new().name("publisher".to_owned()).spawn(move || owner.work(&received))?;
        let thread = Thread { requests: Some(requests), running: Some(running) };
        Ok(Self { thread: Arc::new(thread), has_read, catalog, wanted })
    }

    /// Publishes the observations of sources. After an error they may or may not have been written: publish them again.
    pub fn observe(&self, seen: Arc<Vec<Observation>>) -> Result<Counts, PublishError> {
        self.ask(move |publisher| {
            let before = publisher.counts();
            seen.iter().try_for_each(|seen| publisher.observe(seen.clone()))?;
            publisher.settle();
            publisher.flush()?;
            Ok(publisher.counts() - before)
        })
    }

    /// Declares classes, groups and policies: all of them, or, if one is invalid, none.
    pub fn declare(&self, manifests: Vec<Manifest>) -> Result<Vec<Outcome>, PublishError> {
        manifests.iter().try_for_each(Manifest::check)?;
        self.ask(move |publisher| {
            let declare = |manifest: &Manifest| match manifest {
                Manifest::Class(class) => publisher.apply_class(class),
                Manifest::Group(group) => publisher.apply_group(group),
                Manifest::Policy(policy) => publisher.apply_policy(policy),
            };
            let outcomes = manifests.iter().map(declare).collect::<Result<_, _>>()?;
            publisher.flush()?;
            Ok(outcomes)
        })
    }

    /// Deletes a class, a group or a policy.
    pub fn delete(&self, key: CatalogKey) -> Result<(), PublishError> {
        self.ask(move |publisher| {
            match &key {
                CatalogKey::Class(name) => publisher.delete_class(name)?,
                CatalogKey::Group(name) => publisher.delete_group(name)?,
                CatalogKey::Policy(name) => publisher.delete_policy(name)?,
                // Versions are deleted with their class.
                CatalogKey::Version(class, number) => {
                    let name = format!("{class} version {number}");
                    return Err(PublishError::NotFound { kind: "class, group or policy", name });
                }
            }
            publisher.flush()
        })
    }

    /// The catalog as this publisher last wrote it; empty before its first write.
    pub fn catalog(&self) -> watch::Receiver<Arc<Catalog>> {
        self.catalog.clone()
    }

    /// The digests that this publisher would like to see; `None` before it has examined all classes.
    pub fn wanted(&self) -> watch::Receiver<Option<Arc<Wanted>>> {
        self.wanted.clone()
    }

    /// Adds to `into` what was published of a live source.
    pub fn published<T: Send + 'static>(
        &self,
        source: String,
        mut into: T,
        add: fn(&mut T, Published),
    ) -> Result<T, PublishError> {
        self.ask(move |publisher| {
            publisher.published(&source, |fact| add(&mut into, fact))?;
            Ok(into)
        })
    }

    /// Returns `true` if the publisher has read the log, so that a request costs no read.
    pub fn has_read(&self) -> bool {
        self.has_read.load(Ordering::Relaxed)
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Publisher) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<T, PublishError> {
        self.ask_owner(|owner| owner.with(work))
    }

    pub(super) fn ask_owner<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Owner) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<T, PublishError> {
        self.begin(work)?.recv().map_err(|_| PublishError::Ended)?
    }

    /// Asks the thread for some work. Returns the receiver of its result.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Owner) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<Receiver<Result<T, PublishError>>, PublishError> {
        let (reply, answer) = sync_channel(1);
        let request = move |owner: &mut Owner| {
            // The caller may be gone after a stop of the process.
            let _ = reply.send(work(owner));
        };
        let requests = self.thread.requests.as_ref().ok_or(PublishError::Ended)?;
        requests.send(Box::new(request)).map_err(|_| PublishError::Ended)?;
        Ok(answer)
    }
}

/// The state of the thread.
pub(super) struct Owner {
    /// Counts the publishers that the thread has had.
    pub(super) number: u64,
    log: SharedLog,
    settings: Settings,
    pub(super) publisher: Option<Publisher>,
    /// The image indexes of the last publisher, if it has failed: sources report them only once.
    indexes: Indexes,
    /// The deletions that the last publisher did not believe yet, if it has failed.
    doubts: Doubts,
    /// The versions that the statuses of classes had, if the last publisher has failed: a watch reports them only once.
    remembered: Remembered,
    has_read: Arc<AtomicBool>,
    told: watch::Sender<Arc<Catalog>>,
    wants: watch::Sender<Option<Arc<Wanted>>>,
}

impl Owner {
    fn work(mut self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            request(&mut self);
        }
    }

    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Publisher) -> Result<T, PublishError>,
    ) -> Result<T, PublishError> {
        let mut publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => self.restore()?,
        };
        let before = publisher.counts().dead_letters;
        let (doubts, remembered) = (publisher.doubts().clone(), publisher.all_remembered().clone());
        let result = work(&mut publisher);
        self.settings.metrics.dead_letters.inc_by(publisher.counts().dead_letters - before);
        match &result {
            Ok(_) | Err(PublishError::NotFound { .. } | PublishError::Invalid(_)) => {
                self.tell(&mut publisher);
                self.publisher = Some(publisher);
            }
            Err(_) => {
                self.has_read.store(false, Ordering::Relaxed);
                self.indexes = publisher.into_indexes();
                // As before: the caller reports the same again.
                (self.doubts, self.remembered) = (doubts, remembered);
            }
        }
        result
    }

    fn restore(&mut self) -> Result<Publisher, PublishError> {
        let Settings { clock, delay, spans, .. } = self.settings.clone();
        let publisher = Publisher::restore(SharedLog::clone(&self.log), clock)?.traced(spans).settling(delay);
        self.has_read.store(true, Ordering::Relaxed);
        self.number += 1;
        let (indexes, doubts) = (std::mem::take(&mut self.indexes), std::mem::take(&mut self.doubts));
        let remembered = std::mem::take(&mut self.remembered);
        Ok(publisher.knowing(indexes).doubting(doubts).remembering(remembered))
    }

    fn tell(&self, publisher: &mut Publisher) {
        if let Some(wanted) = publisher.new_wanted() {
            self.wants.send_replace(Some(Arc::new(wanted)));
        }
        let catalog = publisher.catalog();
        self.told.send_if_modified(|known| {
            let has_changed = !known.is_same(catalog);
            if has_changed {
                *known = Arc::new(catalog.clone());
            }
            has_changed
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests;
