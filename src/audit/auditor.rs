//! The audit service: one thread per topic reads the log, and one more thread writes the trail.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::archive::Directory;
use super::retention::{self, Keep};
use super::store::Store;
use super::trail::{Layout, Trail};
use super::upload::Uploader;
use super::{AuditError, TOPICS, events};
use crate::log::follow::partitions;
use crate::log::{Begin, Followed, Follower, Log, LogError, Offset, SharedLog, TopicPartition};
use crate::oci::Timestamp;
use crate::record::Topic;
use crate::telemetry::{AuditMetrics, Metrics};

/// Reads that may wait for the writer, of some 4 MiB each at most. A faster reader waits.
const WAITING: usize = 4;
/// Size in bytes at which a batch is written, whether or not more entries wait.
const BATCH: usize = 8 << 20;
/// Interval at which the writer checks the stop flag and the age of the segment.
const LOOK: Duration = Duration::from_millis(200);
/// Interval at which the writer looks for segments beyond the retention, if none is closed meanwhile.
const PRUNE: Duration = Duration::from_secs(60 * 60);

/// The options of an auditor.
#[derive(Debug)]
pub struct Options {
    /// The directory of the trail.
    pub dir: PathBuf,
    /// The layout of segments.
    pub layout: Layout,
    /// Days to keep closed segments; older ones are deleted. `None` keeps all.
    pub keep_days: Option<u64>,
    /// The store that closed segments are copied to.
    pub store: Option<Store>,
    /// The command of this process. Another process that wants the directory shows it.
    pub command: String,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

impl Options {
    /// Returns options for a trail in this directory, with segments of the default layout.
    pub fn new(dir: PathBuf) -> Self {
        let (layout, command) = (Layout::default(), "clade".to_owned());
        Self { dir, layout, keep_days: None, store: None, command, clock: Timestamp::now }
    }
}

/// The progress of an auditor. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_complete: AtomicBool,
    head: Mutex<(u64, Option<crate::oci::Digest>)>,
}

impl Handle {
    /// Returns `true` if everything that was on the log at the start is durable in the trail.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete.load(Ordering::Acquire)
    }

    /// The number of the last entry that is durable.
    #[cfg(feature = "internals")]
    pub fn last(&self) -> u64 {
        self.0.head.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running auditor. Dropping it stops it.
pub struct Auditor {
    thread: Option<JoinHandle<Result<(), AuditError>>>,
    ended: Arc<AtomicBool>,
    handle: Handle,
    trail: Directory,
}

impl Auditor {
    /// Opens the trail, reads how far it has come, and continues from there.
    pub fn start(log: SharedLog, options: Options, metrics: &Metrics) -> Result<Self, AuditError> {
        let mut trail = Trail::open(options.dir.clone(), options.layout.clone(), &options.command)?;
        let metrics = metrics.audit.clone();
        reset(&*log, &mut trail, &metrics, (options.clock)())?;
        let uploader = match options.store {
            Some(store) => Some(Uploader::start(trail.dir().clone(), store, metrics.clone())?),
            None => None,
        };
        let dir = trail.dir().clone();
        let (handle, ended) = (Handle::default(), Arc::new(AtomicBool::new(false)));
        let keep = options.keep_days.map(|days| Keep { days });
        let clock = options.clock;
        let work = Work { trail, uploader, keep, clock, metrics, handle: handle.clone(), closed: 0 };
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("auditor".to_owned())
            .spawn(move || work.run(&log, &told))
            .map_err(|error| AuditError::Thread(error.to_string()))?;
        Ok(Self { thread: Some(thread), ended, handle, trail: dir })
    }

    /// The progress of the auditor.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The directory of the trail.
    pub fn trail(&self) -> &Directory {
        &self.trail
    }

    /// Returns `true` if the auditor has ended by itself, which it does only after an error.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the auditor. Everything that it has read is in the trail.
    pub fn stop(mut self) -> Result<(), AuditError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), AuditError> {
        self.ended.store(true, Ordering::Relaxed);
        let panicked = |_| AuditError::Thread("it has panicked; this is a bug in clade".to_owned());
        self.thread.take().map_or(Ok(Ok(())), JoinHandle::join).map_err(panicked)?
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!("the audit has ended: {error}");
        }
    }
}

/// Audits until an error occurs.
pub async fn run(auditor: Auditor) -> Result<(), AuditError> {
    while !auditor.is_finished() {
        tokio::time::sleep(LOOK).await;
    }
    auditor.stop()
}

/// Records topics that were created again: the offsets in the trail are those of the earlier topics.
fn reset(log: &dyn Log, trail: &mut Trail, metrics: &AuditMetrics, now: Timestamp) -> Result<(), AuditError> {
    for (of, (last, time)) in trail.offsets().clone() {
        let is_there = partitions(log, of.topic).contains(&of.partition);
        let end = if is_there { log.end(of)? } else { 0 };
        let is_another = || {
            let found = log.get(of, last)?;
            Ok::<_, LogError>(found.is_some_and(|found| events::time(&found) != time))
        };
        if end <= last || is_another()? {
            tracing::warn!(partition = %of, last, end, "the topic was made anew: it is audited from its beginning");
            metrics.resets.inc();
            trail.reset(of, end, now)?;
        }
    }
    trail.flush()
}

/// One read of a topic.
type Read = (Topic, Followed);

struct Work {
    trail: Trail,
    uploader: Option<Uploader>,
    keep: Option<Keep>,
    clock: fn() -> Timestamp,
    metrics: AuditMetrics,
    handle: Handle,
    /// The number of closed segments at the last check.
    closed: u64,
}

impl Work {
    fn run(mut self, log: &SharedLog, ended: &AtomicBool) -> Result<(), AuditError> {
        // Before the channel: after an error the receiver goes first, so that no follower waits for room in it.
        let mut followers = Vec::with_capacity(TOPICS.len());
        let (out, reads) = sync_channel(WAITING);
        for topic in TOPICS {
            let out = out.clone();
            let take = move |followed| {
                out.send((topic, followed)).map_or(ControlFlow::Break(()), ControlFlow::Continue)
            };
            let from = Begin::Offsets(self.from(&**log, topic));
            followers.push(Follower::start(SharedLog::clone(log), topic, from, take)?);
        }
        drop(out);
        let worked = self.work(&reads, &followers, ended);
        // A follower that waits for room then sees that the reader is gone.
        drop(reads);
        let failed = followers.iter_mut().map(Follower::end).find(Result::is_err);
        worked?;
        Ok(failed.unwrap_or(Ok(()))?)
    }

    /// The offset at which to continue in each partition.
    fn from(&self, log: &dyn Log, topic: Topic) -> Vec<(u16, Offset)> {
        let next = |partition| {
            let last = self.trail.offsets().get(&TopicPartition { topic, partition });
            (partition, last.map_or(0, |(last, _)| last + 1))
        };
        partitions(log, topic).map(next).collect()
    }

    fn work(
        &mut self,
        reads: &Receiver<Read>,
        followers: &[Follower],
        ended: &AtomicBool,
    ) -> Result<(), AuditError> {
        let mut at_end = BTreeSet::new();
        let mut pruned: Option<Instant> = None;
        loop {
            match reads.recv_timeout(LOOK) {
                Ok(read) => {
                    self.take(read, &mut at_end)?;
                    while self.trail.waiting() < BATCH
                        && let Ok(read) = reads.try_recv()
                    {
                        self.take(read, &mut at_end)?;
                    }
                    self.flush()?;
                    if at_end.len() == TOPICS.len() {
                        self.handle.0.is_complete.store(true, Ordering::Release);
                    }
                }
                // A follower that has ended by itself has failed. Its error is read once all have ended.
                Err(_) if followers.iter().any(Follower::is_finished) => return self.flush(),
                Err(_) => {}
            }
            self.trail.close_if_old((self.clock)())?;
            let has_closed = self.note_closed();
            if has_closed || pruned.is_none_or(|at| at.elapsed() >= PRUNE) {
                pruned = Some(Instant::now());
                self.prune()?;
            }
            if ended.load(Ordering::Relaxed) {
                return self.flush();
            }
        }
    }

    fn take(&mut self, (topic, read): Read, at_end: &mut BTreeSet<Topic>) -> Result<(), AuditError> {
        let fetched = match read {
            Followed::Records(fetched) => fetched,
            Followed::AtEnd => {
                at_end.insert(topic);
                return Ok(());
            }
        };
        let of = TopicPartition { topic, partition: fetched.partition };
        let now = (self.clock)();
        for stored in &fetched.records {
            self.trail.record(of, stored, now)?;
        }
        self.metrics.entries.inc_by(fetched.records.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), AuditError> {
        let begun = Instant::now();
        self.metrics.bytes.inc_by(self.trail.waiting() as u64);
        self.trail.flush()?;
        self.metrics.sync.observe(begun.elapsed().as_secs_f64());
        let (seq, hash) = self.trail.head();
        *self.handle.0.head.lock().unwrap_or_else(PoisonError::into_inner) = (seq, Some(hash));
        Ok(())
    }

    /// Returns `true` if a segment was closed since the last call.
    fn note_closed(&mut self) -> bool {
        let closed = self.trail.closed();
        let new = closed - std::mem::replace(&mut self.closed, closed);
        self.metrics.segments.inc_by(new);
        if let (Some(uploader), 1..) = (&self.uploader, new) {
            uploader.wake();
        }
        new > 0
    }

    /// Records which segments are to be deleted, and deletes them. With a store, only those that the store has.
    fn prune(&mut self) -> Result<(), AuditError> {
        let Some(keep) = self.keep else { return Ok(()) };
        let now = (self.clock)();
        let is_safe = |segment: &str| self.uploader.as_ref().is_none_or(|uploader| uploader.has(segment));
        let dir: Directory = self.trail.dir().clone();
        let old = keep.too_old(&dir, now, is_safe)?;
        if old.is_empty() {
            return Ok(());
        }
        self.trail.append(events::pruned(now, old.clone(), keep.days), now)?;
        self.flush()?;
        if self.trail.is_signed() {
            // A signed head has to cover the entry: without one, whoever can write the directory could have written it.
            self.trail.close(now)?;
        }
        retention::delete(&dir, &old)
    }
}
