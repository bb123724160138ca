//! The labeler: keeps the labels of Image objects as `classifications` says.
//!
//! ```text
//!   classifications ─► Desk (what differs) ─► one server-side apply an image, some at once
//!   Image objects   ─►  ▲                                │
//!                       └────────────── outcome ◄────────┘
//! ```
//!
//! It has no offsets of its own: it begins by reading both sides and writes where they differ, and it goes on in the same
//! way. So it does not matter when it was stopped, or who else has changed a label.

mod desk;
mod labels;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::kubernetes::{
    ANNOTATION, Backoff, Cluster, LabelError, Labelled, Seen, watch_labels, write_counts, write_labels,
};
use crate::log::{LogError, ReadLimit, SharedLog};
use crate::oci::Digest;
use crate::record::{ClassificationRecord, Topic, decode};
use crate::telemetry::Metrics;
use desk::{Desk, Job};

/// So many writes are on their way at once.
const AT_ONCE: usize = 16;
/// So many batches may wait: whoever has more waits.
const WAITING: usize = 8;
const READ: ReadLimit = ReadLimit { records: 2_000, bytes: 4 << 20 };
/// How often the log is looked at whether the labeler has ended meanwhile.
const LOOK: Duration = Duration::from_millis(200);
/// How often the counts of the classes are written, if they have changed.
const COUNT: Duration = Duration::from_secs(2);
/// And how many of these go by until they are compared with what stands there, whatever has changed.
const LOOK_AGAIN: u32 = 15;

/// Why a labeler has ended.
#[derive(Debug, thiserror::Error)]
pub enum LabelerError {
    /// The log could not be read.
    #[error("cannot read the classifications: {0}")]
    Log(#[from] LogError),
    /// The Image objects are watched no longer.
    #[error("the watch of Images has ended; this is a bug in clade")]
    Watch,
    /// Its thread could not be started or has panicked.
    #[error("the reader of classifications: {0}")]
    Reader(String),
}

/// What is read of the log.
enum Read {
    Classified(u16, Vec<(Digest, Option<ClassificationRecord>)>),
    /// Everything that stands there was read.
    Complete,
}

/// Labels until the log cannot be read; `rate` bounds how many objects are written a second.
pub async fn run(
    cluster: Cluster,
    log: SharedLog,
    metrics: Metrics,
    rate: Option<NonZeroU32>,
) -> Result<(), LabelerError> {
    let (out, classified) = mpsc::channel(WAITING);
    let reader = Reader::start(log, out)?;
    let (out, images) = mpsc::channel(WAITING);
    let mut watches = JoinSet::new();
    watches.spawn(watch_labels(cluster.clone(), out));
    let begun = Instant::now();
    let pause = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
    let desk = Desk::default();
    let labeler = Labeler {
        cluster,
        metrics,
        desk,
        begun,
        pause,
        next: begun,
        ticks: 0,
        uncounted: 0,
        count_at: begun,
        backoff: Backoff::default(),
        writes: JoinSet::new(),
    };
    let worked = labeler.work(classified, images).await;
    reader.outcome().and(worked)
}

struct Labeler {
    cluster: Cluster,
    metrics: Metrics,
    desk: Desk,
    begun: Instant,
    /// Between one write and the next, which is not before `next`.
    pause: Duration,
    next: Instant,
    /// How often it was looked whether the counts have changed.
    ticks: u32,
    /// So often one after another the counts could not be written, and not before when they are tried again.
    uncounted: u32,
    count_at: Instant,
    backoff: Backoff,
    writes: JoinSet<(Job, Result<Labelled, LabelError>)>,
}

impl Labeler {
    /// Ends when nobody reads the log any more.
    async fn work(
        mut self,
        mut classified: mpsc::Receiver<Read>,
        mut images: mpsc::Receiver<Vec<Seen>>,
    ) -> Result<(), LabelerError> {
        let mut count = tokio::time::interval(COUNT);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = None;
        loop {
            // While as many are on their way as may be, nothing else is waited for.
            let is_free = self.writes.len() < AT_ONCE;
            let next_try = self.desk.next_try().map(|at| (self.begun + at).max(self.next));
            let next_write = Some(self.next).filter(|_| self.desk.is_waiting());
            let next = next_try.into_iter().chain(next_write).min().filter(|_| is_free);
            tokio::select! {
                read = classified.recv() => match read {
                    Some(read) => self.take(read),
                    None => return Ok(()),
                },
                seen = images.recv() => match seen {
                    Some(seen) => seen.into_iter().for_each(|seen| self.desk.seen(seen)),
                    None => return Err(LabelerError::Watch),
                },
                Some(Ok((job, outcome))) = self.writes.join_next(), if !self.writes.is_empty() => {
                    self.conclude(&job, outcome);
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                _ = count.tick(), if self.desk.is_complete() => self.count(&mut written).await,
            }
            while self.writes.len() < AT_ONCE
                && self.next <= Instant::now()
                && let Some(job) = self.desk.next(self.begun.elapsed())
            {
                // What was missed is caught up, a second's worth at the most.
                self.next = (self.next + self.pause).max(Instant::now() - Duration::from_secs(1));
                let cluster = self.cluster.clone();
                self.writes.spawn(async move {
                    let outcome = write_labels(&cluster, &job.digest, &job.uid, &job.labels).await;
                    (job, outcome)
                });
            }
            self.metrics.labels_waiting.set(i64::try_from(self.desk.waiting()).unwrap_or(i64::MAX));
        }
    }

    fn take(&mut self, read: Read) {
        match read {
            Read::Classified(partition, records) => {
                for (digest, record) in records {
                    self.desk.classified(partition, digest, record.as_ref());
                }
            }
            Read::Complete => self.desk.complete(),
        }
    }

    fn conclude(&mut self, job: &Job, outcome: Result<Labelled, LabelError>) {
        match outcome {
            Ok(image) if image.labels == *job.labels => {
                self.metrics.labelled.inc();
                self.desk.done(image);
            }
            Ok(image) => {
                let theirs = foreign(&image, job);
                self.desk.seen(Seen::Image(image));
                self.put_off(
                    job,
                    &format!("somebody else has written {theirs} there, which clade does not take away"),
                );
            }
            Err(LabelError::Gone) => self.desk.gone(job.digest, &job.uid),
            Err(LabelError::Failed(problem)) => self.put_off(job, &problem),
        }
    }

    fn put_off(&mut self, job: &Job, problem: &str) {
        self.metrics.label_failures.inc();
        let (times, wait) = self.desk.failed(job.digest, self.begun.elapsed(), fastrand::f64());
        // Once for an image, and now and then if it goes on.
        if times.is_power_of_two() {
            let (image, seconds) = (job.digest, wait.as_secs());
            tracing::warn!(%image, times, "cannot label: {problem}; trying again in {seconds} s");
        }
    }

    async fn count(&mut self, written: &mut Option<std::collections::BTreeMap<String, crate::class::Count>>) {
        // Now and then also if nothing has changed: there may be a new class.
        self.ticks = self.ticks.wrapping_add(1);
        if Instant::now() < self.count_at {
            return;
        }
        if written.as_ref() == Some(self.desk.counts()) && !self.ticks.is_multiple_of(LOOK_AGAIN) {
            return;
        }
        match write_counts(&self.cluster, self.desk.counts()).await {
            Ok(()) => {
                *written = Some(self.desk.counts().clone());
                self.uncounted = 0;
                self.backoff = Backoff::default();
            }
            Err(error) => {
                self.uncounted += 1;
                self.count_at = Instant::now() + self.backoff.wait();
                if self.uncounted.is_power_of_two() {
                    let times = self.uncounted;
                    tracing::warn!(
                        times,
                        "cannot write how many images are in the classes: {error}; trying again"
                    );
                }
            }
        }
    }
}

/// What stands on an object in clade's place, and was not written by clade.
fn foreign(image: &Labelled, job: &Job) -> String {
    let differs = |(key, value): &(&String, &String)| job.labels.labels.get(*key) != Some(*value);
    let keys: Vec<&str> = image.labels.labels.iter().filter(differs).map(|(key, _)| key.as_str()).collect();
    if keys.is_empty() { ANNOTATION.to_owned() } else { keys.join(", ") }
}

/// Reads the log on a thread of its own, as every read blocks.
struct Reader {
    thread: std::thread::JoinHandle<Result<(), LogError>>,
    ended: Arc<AtomicBool>,
}

impl Reader {
    fn start(log: SharedLog, out: mpsc::Sender<Read>) -> Result<Self, LabelerError> {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("classifications".to_owned())
            .spawn(move || read(&log, &out, &told))
            .map_err(|error| LabelerError::Reader(error.to_string()))?;
        Ok(Self { thread, ended })
    }

    fn outcome(self) -> Result<(), LabelerError> {
        self.ended.store(true, Ordering::Relaxed);
        let panicked = || LabelerError::Reader("it has panicked; this is a bug in clade".to_owned());
        Ok(self.thread.join().map_err(|_| panicked())??)
    }
}

fn read(log: &SharedLog, out: &mpsc::Sender<Read>, ended: &AtomicBool) -> Result<(), LogError> {
    let from: Vec<(u16, u64)> = (0..log.partitions()).map(|partition| (partition, 0)).collect();
    let mut reader = log.reader(Topic::Classifications, &from)?;
    let mut is_complete = false;
    while !ended.load(Ordering::Relaxed) && !out.is_closed() {
        let fetched = reader.read(READ, LOOK)?;
        let records = fetched.records.iter().filter_map(|stored| {
            let digest = stored.record.key.parse().ok()?;
            match decode::<ClassificationRecord>(&stored.record) {
                Ok(record) => Some((digest, record)),
                Err(error) => {
                    tracing::warn!(key = stored.record.key, "a classification cannot be read: {error}");
                    None
                }
            }
        });
        let records: Vec<_> = records.collect();
        if !records.is_empty() && out.blocking_send(Read::Classified(fetched.partition, records)).is_err() {
            return Ok(());
        }
        if fetched.at_end && !is_complete {
            is_complete = true;
            if out.blocking_send(Read::Complete).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
