//! Writes what a desk says, some objects at once, and tells the desk what came of it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::desk::{Desk, Job};
use crate::kubernetes::{ANNOTATION, Cluster, LabelError, Labelled, Seen, Target};
use crate::retry;
use crate::telemetry::LabelMetrics;

/// Writes under way at once, at most.
const AT_ONCE: usize = 16;

/// The object after a write, or why there was none.
type Outcome<T> = Result<Labelled<T>, LabelError>;

/// The writes of one kind of target.
pub(super) struct Writer<T: Target> {
    pub(super) desk: Desk<T>,
    pub(super) cluster: Cluster,
    metrics: LabelMetrics,
    begun: Instant,
    /// The delay between two writes. The next write is not before `next`.
    pause: Duration,
    next: Instant,
    writes: JoinSet<(Job<T>, Outcome<T>)>,
}

impl<T: Target> Writer<T> {
    /// A writer with nothing to write. `rate` limits the number of objects written per second.
    pub(super) fn new(cluster: Cluster, metrics: LabelMetrics, rate: Option<NonZeroU32>) -> Self {
        let begun = Instant::now();
        let pause = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        let (desk, writes) = (Desk::default(), JoinSet::new());
        Self { desk, cluster, metrics, begun, pause, next: begun, writes }
    }

    /// Waits until a write has ended or another one can begin, for ever if there is nothing to write. It can be called off at any
    /// time.
    pub(super) async fn turn(&mut self) {
        // While the maximum of writes is under way, only their ends are waited for.
        let is_free = self.writes.len() < AT_ONCE;
        let next_try = self.desk.next_try().map(|at| (self.begun + at).max(self.next));
        let next_write = Some(self.next).filter(|_| self.desk.is_waiting());
        let next = next_try.into_iter().chain(next_write).min().filter(|_| is_free);
        tokio::select! {
            Some(Ok((job, outcome))) = self.writes.join_next(), if !self.writes.is_empty() => {
                self.conclude(&job, outcome);
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            else => std::future::pending().await,
        }
    }

    /// Begins the writes that are due.
    pub(super) fn begin(&mut self) {
        while self.writes.len() < AT_ONCE
            && self.next <= Instant::now()
            && let Some(job) = self.desk.next(self.begun.elapsed())
        {
            // Missed writes are caught up, those of one second at most.
            self.next = (self.next + self.pause).max(Instant::now() - Duration::from_secs(1));
            let cluster = self.cluster.clone();
            self.writes.spawn(async move {
                let outcome = job.target.write(&cluster, &job.uid, &job.labels).await;
                (job, outcome)
            });
        }
        self.metrics.waiting.set(i64::try_from(self.desk.waiting()).unwrap_or(i64::MAX));
    }

    fn conclude(&mut self, job: &Job<T>, outcome: Outcome<T>) {
        match outcome {
            Ok(object) if object.labels == *job.labels => {
                self.metrics.written.inc();
                self.desk.done(object, self.begun.elapsed());
            }
            Ok(object) => {
                let theirs = foreign(&object, job);
                self.desk.seen(Seen::Object(object));
                self.put_off(
                    job,
                    &format!("somebody else has written {theirs} there, which clade does not take away"),
                );
            }
            Err(LabelError::Gone) => self.desk.gone(&job.target, &job.uid),
            Err(LabelError::Failed(problem)) => self.put_off(job, &problem),
        }
    }

    fn put_off(&mut self, job: &Job<T>, problem: &str) {
        self.metrics.failures.inc();
        let (times, wait) = self.desk.failed(&job.target, self.begun.elapsed(), fastrand::f64());
        // Logged once for an object, and now and then if it continues.
        if retry::is_logged(times) {
            let (object, seconds) = (&job.target, wait.as_secs());
            tracing::warn!(%object, times, "cannot label: {problem}; trying again in {seconds} s");
        }
    }
}

/// The labels on an object under clade's keys that clade did not write.
fn foreign<T>(object: &Labelled<T>, job: &Job<T>) -> String {
    let differs = |(key, value): &(&String, &String)| job.labels.labels.get(*key) != Some(*value);
    let keys: Vec<&str> = object.labels.labels.iter().filter(differs).map(|(key, _)| key.as_str()).collect();
    if keys.is_empty() { ANNOTATION.to_owned() } else { keys.join(", ") }
}
