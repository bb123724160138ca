//! The labeler: keeps the labels of Image objects equal to the topic `classifications`.
//!
//! ```text
//!   classifications ─► Desk (what differs) ─► one server-side apply an image, some at once
//!   Image objects   ─►  ▲                                │
//!                       └────────────── outcome ◄────────┘
//! ```
//!
//! It has no offsets of its own: it reads both sides and writes where they differ, at the start and from then on. So it
//! does not matter when it was stopped, or who else has changed a label.

mod desk;
mod labels;

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::kubernetes::{
    ANNOTATION, Cluster, LabelError, Labelled, RETRY, Seen, watch_labels, write_counts, write_labels,
};
use crate::log::{Begin, Fetched, Followed, Follower, LogError, SharedLog, Stored};
use crate::oci::Digest;
use crate::record::{ClassificationRecord, Topic, decode};
use crate::retry::{self, Backoff};
use crate::telemetry::LabelMetrics;
use desk::{Desk, Job};

/// Writes under way at once, at most.
const AT_ONCE: usize = 16;
/// Batches that may wait, at most: their senders wait for room.
const WAITING: usize = 8;
/// Interval at which changed counts of the classes are written.
const COUNT: Duration = Duration::from_secs(2);
/// Number of these intervals after which unchanged counts are compared with the server, too.
const LOOK_AGAIN: u32 = 15;

/// An error that ends a labeler.
#[derive(Debug, thiserror::Error)]
pub enum LabelerError {
    /// The log could not be read.
    #[error("cannot read the classifications: {0}")]
    Log(#[from] LogError),
    /// The watch of Image objects has ended.
    #[error("the watch of Images has ended; this is a bug in clade")]
    Watch,
    /// The reader's thread has panicked.
    #[error("the reader of classifications: {0}")]
    Reader(String),
}

/// A message from the reader of the log.
enum Read {
    Classified(u16, Vec<(Digest, Option<ClassificationRecord>)>),
    /// Everything that stands on the log was read.
    Complete,
}

/// Labels objects until the log cannot be read. `rate` limits the number of objects written per second.
pub async fn run(
    cluster: Cluster,
    log: SharedLog,
    metrics: LabelMetrics,
    rate: Option<NonZeroU32>,
) -> Result<(), LabelerError> {
    let (out, classified) = mpsc::channel(WAITING);
    let mut reader = listen(log, out)?;
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
        count_at: begun,
        backoff: Backoff::new(RETRY),
        writes: JoinSet::new(),
    };
    let worked = labeler.work(classified, images).await;
    // The wait blocks, so it must not run on a tokio worker.
    let read = tokio::task::spawn_blocking(move || reader.end()).await;
    read.map_err(|error| LabelerError::Reader(error.to_string()))?.map_err(LabelerError::from).and(worked)
}

struct Labeler {
    cluster: Cluster,
    metrics: LabelMetrics,
    desk: Desk,
    begun: Instant,
    /// The delay between two writes. The next write is not before `next`.
    pause: Duration,
    next: Instant,
    /// The number of checks for changed counts.
    ticks: u32,
    /// The failures of writing the counts, and the time of the next attempt.
    backoff: Backoff,
    count_at: Instant,
    writes: JoinSet<(Job, Result<Labelled, LabelError>)>,
}

impl Labeler {
    /// Ends when the reader of the log has ended.
    async fn work(
        mut self,
        mut classified: mpsc::Receiver<Read>,
        mut images: mpsc::Receiver<Vec<Seen>>,
    ) -> Result<(), LabelerError> {
        let mut count = tokio::time::interval(COUNT);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = None;
        loop {
            // While the maximum of writes is under way, only their ends are waited for.
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
                // Missed writes are caught up, those of one second at most.
                self.next = (self.next + self.pause).max(Instant::now() - Duration::from_secs(1));
                let cluster = self.cluster.clone();
                self.writes.spawn(async move {
                    let outcome = write_labels(&cluster, &job.digest, &job.uid, &job.labels).await;
                    (job, outcome)
                });
            }
            self.metrics.waiting.set(i64::try_from(self.desk.waiting()).unwrap_or(i64::MAX));
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
                self.metrics.written.inc();
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
        self.metrics.failures.inc();
        let (times, wait) = self.desk.failed(job.digest, self.begun.elapsed(), fastrand::f64());
        // Logged once for an image, and now and then if it continues.
        if retry::is_logged(times) {
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
                self.backoff.succeeded();
            }
            Err(error) => {
                let failure = self.backoff.failed();
                self.count_at = Instant::now() + failure.wait;
                if failure.is_logged() {
                    let times = failure.times;
                    tracing::warn!(
                        times,
                        "cannot write how many images are in the classes: {error}; trying again"
                    );
                }
            }
        }
    }
}

/// The labels on an object under clade's keys that clade did not write.
fn foreign(image: &Labelled, job: &Job) -> String {
    let differs = |(key, value): &(&String, &String)| job.labels.labels.get(*key) != Some(*value);
    let keys: Vec<&str> = image.labels.labels.iter().filter(differs).map(|(key, _)| key.as_str()).collect();
    if keys.is_empty() { ANNOTATION.to_owned() } else { keys.join(", ") }
}

/// Sends classifications to `out` until its receiver is gone.
fn listen(log: SharedLog, out: mpsc::Sender<Read>) -> Result<Follower, LogError> {
    Follower::start(log, Topic::Classifications, Begin::Beginning, move |followed| {
        let read = match followed {
            Followed::Records(fetched) => Read::Classified(fetched.partition, classified(&fetched)),
            Followed::AtEnd => Read::Complete,
        };
        out.blocking_send(read).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    })
}

fn classified(fetched: &Fetched) -> Vec<(Digest, Option<ClassificationRecord>)> {
    let read = |stored: &Stored| {
        let digest = stored.record.key.parse().ok()?;
        match decode::<ClassificationRecord>(&stored.record) {
            Ok(record) => Some((digest, record)),
            Err(error) => {
                tracing::warn!(key = stored.record.key, "a classification cannot be read: {error}");
                None
            }
        }
    };
    fetched.records.iter().filter_map(read).collect()
}
