//! The service: reads the log, a thread a topic, and writes the trail on one of its own.

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
use crate::log::{Followed, Follower, Log, LogError, Offset, SharedLog, TopicPartition};
use crate::oci::Timestamp;
use crate::record::Topic;
use crate::telemetry::{AuditMetrics, Metrics};

/// So many reads may wait for the writer, of some 4 MiB at the most each: readers that are faster wait.
const WAITING: usize = 4;
/// A batch of so many bytes is written, whatever else there is.
const BATCH: usize = 8 << 20;
/// How often it is looked whether the auditor is to end, and whether the segment is too old.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked for segments that are too old to be kept, when none is closed.
const PRUNE: Duration = Duration::from_secs(60 * 60);

/// How the audit is done.
#[derive(Debug)]
pub struct Options {
    /// Where the trail is.
    pub dir: PathBuf,
    /// What its segments are like.
    pub layout: Layout,
    /// Closed segments that are older are deleted. Without it, none is.
    pub keep_days: Option<u64>,
    /// Where closed segments go as well.
    pub store: Option<Store>,
    /// What the process is doing, told to another that wants the directory.
    pub command: String,
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

impl Options {
    /// A trail in this directory, of segments as they are by default.
    pub fn new(dir: PathBuf) -> Self {
        let (layout, command) = (Layout::default(), "clade".to_owned());
        Self { dir, layout, keep_days: None, store: None, command, clock: Timestamp::now }
    }
}

/// How an auditor is doing. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_complete: AtomicBool,
    head: Mutex<(u64, Option<crate::oci::Digest>)>,
}

impl Handle {
    /// Whether everything that was on the log at the start is in the trail, durably.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete.load(Ordering::Acquire)
    }

    /// The number of the last entry that is durable.
    #[cfg(feature = "internals")]
    pub fn last(&self) -> u64 {
        self.0.head.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running auditor. It ends when it is dropped.
pub struct Auditor {
    thread: Option<JoinHandle<Result<(), AuditError>>>,
    ended: Arc<AtomicBool>,
    handle: Handle,
}

impl Auditor {
    /// Opens the trail, sees how far it has come, and goes on from there.
    pub fn start(log: SharedLog, options: Options, metrics: &Metrics) -> Result<Self, AuditError> {
        let mut trail = Trail::open(options.dir.clone(), options.layout.clone(), &options.command)?;
        let metrics = metrics.audit.clone();
        reset(&*log, &mut trail, &metrics, (options.clock)())?;
        let uploader = match options.store {
            Some(store) => Some(Uploader::start(trail.dir().clone(), store, metrics.clone())?),
            None => None,
        };
        let (handle, ended) = (Handle::default(), Arc::new(AtomicBool::new(false)));
        let keep = options.keep_days.map(|days| Keep { days });
        let clock = options.clock;
        let work = Work { trail, uploader, keep, clock, metrics, handle: handle.clone(), closed: 0 };
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("auditor".to_owned())
            .spawn(move || work.run(&log, &told))
            .map_err(|error| AuditError::Thread(error.to_string()))?;
        Ok(Self { thread: Some(thread), ended, handle })
    }

    /// How it is doing.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Whether it has ended by itself, which it does only for an error.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it; what it has read is in the trail.
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

/// Audits until that fails.
pub async fn run(auditor: Auditor) -> Result<(), AuditError> {
    while !auditor.is_finished() {
        tokio::time::sleep(LOOK).await;
    }
    auditor.stop()
}

/// Notes topics that were made anew: what the trail says of their offsets is of others.
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

/// What was read of a topic.
type Read = (Topic, Followed);

struct Work {
    trail: Trail,
    uploader: Option<Uploader>,
    keep: Option<Keep>,
    clock: fn() -> Timestamp,
    metrics: AuditMetrics,
    handle: Handle,
    /// How many segments were closed when that was last looked at.
    closed: u64,
}

impl Work {
    fn run(mut self, log: &SharedLog, ended: &AtomicBool) -> Result<(), AuditError> {
        let (out, reads) = sync_channel(WAITING);
        let mut followers = Vec::with_capacity(TOPICS.len());
        for topic in TOPICS {
            let out = out.clone();
            let take = move |followed| {
                out.send((topic, followed)).map_or(ControlFlow::Break(()), ControlFlow::Continue)
            };
            followers.push(Follower::start(SharedLog::clone(log), topic, self.from(&**log, topic), take)?);
        }
        drop(out);
        let worked = self.work(&reads, &followers, ended);
        // A follower that waits for room sees that nobody reads.
        drop(reads);
        let failed = followers.iter_mut().map(Follower::end).find(Result::is_err);
        worked?;
        Ok(failed.unwrap_or(Ok(()))?)
    }

    /// Where each partition is read on.
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
                // One that has ended by itself has failed. Its error is read once all have ended.
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

    /// Whether a segment was closed since it was last asked.
    fn note_closed(&mut self) -> bool {
        let closed = self.trail.closed();
        let new = closed - std::mem::replace(&mut self.closed, closed);
        self.metrics.segments.inc_by(new);
        if let (Some(uploader), 1..) = (&self.uploader, new) {
            uploader.wake();
        }
        new > 0
    }

    /// Says what is deleted, and deletes it. With a store, only what that has.
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
