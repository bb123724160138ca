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

use crate::kubernetes::{
    Cluster, KubernetesError, RETRY, StandingReport, delete_report, list_reports, write_report,
};
use crate::log::{Begin, Followed, Follower, LogError, SharedLog};
use crate::record::{DecisionRecord, Topic, decode};
use crate::retry::Backoff;
use crate::telemetry::PolicyMetrics;
use desk::{Desk, Job};

/// Batches of decisions that may wait, at most: the reader waits for room.
const WAITING: usize = 8;
/// The time after which the reports are listed again: somebody may have changed or deleted one.
const AGAIN: Duration = Duration::from_secs(300);
/// Refusals between two lists that are logged, at most.
const TOLD: u32 = 5;

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

/// Writes reports until the log cannot be read. `instance` distinguishes this clade from others that write to the cluster: a value of a
/// label.
pub async fn run(
    cluster: Cluster,
    instance: String,
    log: SharedLog,
    metrics: PolicyMetrics,
) -> Result<(), ReporterError> {
    let (out, decided) = mpsc::channel(WAITING);
    let mut reader = listen(log, out)?;
    let desk = Desk::new(instance.clone());
    let list_at = Instant::now();
    let reporter =
        Reporter { cluster, instance, metrics, desk, list_at, backoff: Backoff::new(RETRY), refused: 0 };
    reporter.work(decided).await;
    // The wait blocks, so it must not run on a tokio worker.
    let read = tokio::task::spawn_blocking(move || reader.end()).await;
    Ok(read.map_err(|error| ReporterError::Reader(error.to_string()))??)
}

struct Reporter {
    cluster: Cluster,
    instance: String,
    metrics: PolicyMetrics,
    desk: Desk,
    /// The time of the next list.
    list_at: Instant,
    backoff: Backoff,
    /// Reports that the server has refused since the last list.
    refused: u32,
}

impl Reporter {
    /// Ends when the reader of the log has ended.
    async fn work(mut self, mut decided: mpsc::Receiver<Read>) {
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
                () = tokio::time::sleep_until(self.list_at), if self.desk.is_complete() => self.list().await,
                () = std::future::ready(()), if job.is_some() => {
                    if let Some(job) = job {
                        self.perform(job).await;
                    }
                }
            }
        }
    }

    /// Lists the reports of this instance.
    async fn list(&mut self) {
        match list_reports(&self.cluster, &self.instance).await {
            Ok(standing) => {
                self.backoff.succeeded();
                self.refused = 0;
                self.desk.listed(standing);
                self.list_at = Instant::now() + AGAIN;
            }
            Err(error) => self.away(&error),
        }
    }

    /// Writes or deletes a report.
    async fn perform(&mut self, job: Job) {
        match self.request(&job).await {
            Ok(there) => {
                self.metrics.reports.inc();
                self.desk.done(&job, there);
            }
            // It is tried again after the next list, and holds no other up.
            Err(error @ KubernetesError::Refused(_)) => {
                self.refused = self.refused.saturating_add(1);
                if self.refused <= TOLD {
                    let (namespace, name) = job.at();
                    let seconds = AGAIN.as_secs();
                    tracing::warn!(
                        namespace,
                        name,
                        "a report is refused: {error}; trying again within {seconds} s"
                    );
                }
                self.desk.refused(&job);
            }
            Err(error) => self.away(&error),
        }
    }

    async fn request(&self, job: &Job) -> Result<Option<StandingReport>, KubernetesError> {
        match job {
            Job::Write(report) => {
                let what = (report.decided.as_str(), &report.body);
                write_report(&self.cluster, &self.instance, &report.at, what).await.map(Some)
            }
            Job::Delete(at, uid) => delete_report(&self.cluster, at, uid).await.map(|()| None),
        }
    }

    /// Begins anew with a list, later: the server does not answer.
    fn away(&mut self, error: &KubernetesError) {
        let failure = self.backoff.failed();
        if failure.is_logged() {
            tracing::warn!(times = failure.times, "cannot keep the reports of OpenReports: {error}");
        }
        self.desk.away();
        self.list_at = Instant::now() + failure.wait;
    }
}

/// Sends decisions to `out` until its receiver is gone.
fn listen(log: SharedLog, out: mpsc::Sender<Read>) -> Result<Follower, LogError> {
    Follower::start(log, Topic::Decisions, Begin::Beginning, move |followed| {
        let read = match followed {
            Followed::Records(fetched) => {
                let decoded = fetched.records.into_iter().filter_map(|stored| {
                    // Whoever decides replaces a record that cannot be read.
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
