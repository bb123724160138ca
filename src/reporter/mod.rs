//! The reporter: keeps a Report of OpenReports equal to each decision on the topic `decisions`.
//!
//! ```text
//!   decisions ─► Desk (what differs) ─► one server-side apply or deletion a report
//!   Reports   ─►  ▲                                │
//!                 └────────────── outcome ◄────────┘
//! ```
//!
//! It has no offsets of its own: it reads both sides, at the start and now and then, and writes where they differ.

mod desk;
mod report;

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::kubernetes::{Cluster, RETRY, delete_report, list_reports, write_report};
use crate::log::{Begin, Followed, Follower, LogError, SharedLog};
use crate::record::{DecisionRecord, Topic, decode};
use crate::retry::Backoff;
use crate::telemetry::PolicyMetrics;
use desk::{Desk, Job};

/// Batches of decisions that may wait, at most: the reader waits for room.
const WAITING: usize = 8;
/// The time after which the reports are listed again: somebody may have changed or deleted one.
const AGAIN: Duration = Duration::from_secs(300);

/// An error that ends a reporter.
#[derive(Debug, thiserror::Error)]
pub enum ReporterError {
    /// The log could not be read.
    #[error("cannot read the decisions: {0}")]
    Log(#[from] LogError),
    /// The reader's thread has panicked.
    #[error("the reader of decisions: {0}")]
    Reader(String),
}

/// A message from the reader of the log.
enum Read {
    Decided(Vec<(String, Option<DecisionRecord>)>),
    /// Everything that stands on the log was read.
    Complete,
}

/// Writes reports until the log cannot be read.
pub async fn run(cluster: Cluster, log: SharedLog, metrics: PolicyMetrics) -> Result<(), ReporterError> {
    let (out, decided) = mpsc::channel(WAITING);
    let mut reader = listen(log, out)?;
    Reporter { cluster, metrics, desk: Desk::default(), backoff: Backoff::new(RETRY) }.work(decided).await;
    // The wait blocks, so it must not run on a tokio worker.
    let read = tokio::task::spawn_blocking(move || reader.end()).await;
    Ok(read.map_err(|error| ReporterError::Reader(error.to_string()))??)
}

struct Reporter {
    cluster: Cluster,
    metrics: PolicyMetrics,
    desk: Desk,
    backoff: Backoff,
}

impl Reporter {
    /// Ends when the reader of the log has ended.
    async fn work(mut self, mut decided: mpsc::Receiver<Read>) {
        let mut list_at = Instant::now();
        loop {
            let job = self.desk.next();
            tokio::select! {
                // What was decided counts before what is written.
                biased;
                read = decided.recv() => match read {
                    Some(Read::Decided(records)) => {
                        records.into_iter().for_each(|(key, record)| self.desk.decided(key, record.as_ref()));
                    }
                    Some(Read::Complete) => self.desk.complete(),
                    None => return,
                },
                () = tokio::time::sleep_until(list_at), if self.desk.is_complete() => {
                    list_at = Instant::now() + self.list().await;
                }
                () = std::future::ready(()), if job.is_some() => {
                    if let Some(job) = job {
                        self.perform(job).await;
                    }
                }
            }
        }
    }

    /// Lists the reports of clade. Returns the time until it is to be done again.
    async fn list(&mut self) -> Duration {
        match list_reports(&self.cluster).await {
            Ok(standing) => {
                self.backoff.succeeded();
                self.desk.listed(standing);
                AGAIN
            }
            Err(error) => {
                let failure = self.backoff.failed();
                if failure.is_logged() {
                    tracing::warn!(times = failure.times, "cannot list the reports of OpenReports: {error}");
                }
                failure.wait
            }
        }
    }

    /// Writes or deletes a report. One that fails is tried again after the next list, and holds no other up.
    async fn perform(&mut self, job: Job) {
        let done = match &job {
            Job::Write(report) => write_report(&self.cluster, &report.at, &report.body).await,
            Job::Delete(at) => delete_report(&self.cluster, at).await,
        };
        match done {
            Ok(()) => {
                self.metrics.reports.inc();
                self.desk.done(&job);
            }
            Err(error) => {
                let (namespace, name) = job.at();
                tracing::warn!(namespace, name, "cannot write a report, which is tried again later: {error}");
                self.desk.failed(&job);
            }
        }
    }
}

/// Sends decisions to `out` until its receiver is gone.
fn listen(log: SharedLog, out: mpsc::Sender<Read>) -> Result<Follower, LogError> {
    Follower::start(log, Topic::Decisions, Begin::Beginning, move |followed| {
        let read = match followed {
            Followed::Records(fetched) => {
                let decoded = fetched.records.into_iter().filter_map(|stored| {
                    // A record that cannot be read is replaced by whoever decides; its report stays until then.
                    let record = decode::<DecisionRecord>(&stored.record).ok()?;
                    Some((stored.record.key, record))
                });
                Read::Decided(decoded.collect())
            }
            Followed::AtEnd => Read::Complete,
        };
        out.blocking_send(read).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    })
}
