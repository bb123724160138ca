//! The labeler: keeps the labels of Image objects equal to the topic `classifications`; and those of workloads, if asked to, equal
//! to what they run (`owners.rs`).
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
mod images;
mod labels;
mod owners;
mod writer;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::class::Count;
use crate::kubernetes::{Cluster, RETRY, Seen, watch_labels, write_counts};
use crate::log::{Begin, Fetched, Followed, Follower, LogError, SharedLog, Stored};
use crate::oci::Digest;
use crate::record::{ClassificationRecord, Topic, decode};
use crate::retry::Backoff;
use crate::telemetry::LabelMetrics;
use images::Images;
pub use owners::run as run_owners;
use writer::Writer;

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
    /// A watch has ended.
    #[error("the watch of {0} has ended; this is a bug in clade")]
    Watch(&'static str),
    /// A thread has panicked.
    #[error("a thread of the labeler: {0}; this is a bug in clade")]
    Panicked(String),
}

/// A message from the reader of the log.
enum Read {
    Classified(u16, Vec<(Digest, Option<ClassificationRecord>)>),
    /// Everything that stands on the log was read.
    Complete,
}

/// Labels Image objects until the log cannot be read. `rate` limits the number of objects written per second.
pub async fn run(
    cluster: Cluster,
    log: SharedLog,
    metrics: LabelMetrics,
    rate: Option<NonZeroU32>,
) -> Result<(), LabelerError> {
    let (out, classified) = mpsc::channel(WAITING);
    let mut reader = listen(log, out)?;
    let (out, seen) = mpsc::channel(WAITING);
    let mut watches = JoinSet::new();
    watches.spawn(watch_labels(cluster.clone(), out));
    let labeler = Labeler {
        writer: Writer::new(cluster, metrics, rate),
        images: Images::default(),
        ticks: 0,
        count_at: Instant::now(),
        backoff: Backoff::new(RETRY),
    };
    let worked = labeler.work(classified, seen).await;
    // The wait blocks, so it must not run on a tokio worker.
    let read = tokio::task::spawn_blocking(move || reader.end()).await;
    read.map_err(|error| LabelerError::Panicked(error.to_string()))?.map_err(LabelerError::from).and(worked)
}

struct Labeler {
    writer: Writer<Digest>,
    images: Images,
    /// The number of checks for changed counts.
    ticks: u32,
    /// The failures of writing the counts, and the time of the next attempt.
    backoff: Backoff,
    count_at: Instant,
}

impl Labeler {
    /// Ends when the reader of the log has ended.
    async fn work(
        mut self,
        mut classified: mpsc::Receiver<Read>,
        mut seen: mpsc::Receiver<Vec<Seen<Digest>>>,
    ) -> Result<(), LabelerError> {
        let mut count = tokio::time::interval(COUNT);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = None;
        loop {
            tokio::select! {
                read = classified.recv() => match read {
                    Some(read) => self.take(read),
                    None => return Ok(()),
                },
                seen = seen.recv() => match seen {
                    Some(seen) => seen.into_iter().for_each(|seen| self.writer.desk.seen(seen)),
                    None => return Err(LabelerError::Watch("Images")),
                },
                () = self.writer.turn() => {}
                _ = count.tick(), if self.writer.desk.is_complete() => self.count(&mut written).await,
            }
            self.writer.begin();
        }
    }

    fn take(&mut self, read: Read) {
        match read {
            Read::Classified(partition, records) => {
                for (digest, record) in records {
                    self.images.classified(&mut self.writer.desk, partition, digest, record.as_ref());
                }
            }
            Read::Complete => self.writer.desk.complete(),
        }
    }

    async fn count(&mut self, written: &mut Option<BTreeMap<String, Count>>) {
        // Now and then also if nothing has changed: there may be a new class.
        self.ticks = self.ticks.wrapping_add(1);
        if Instant::now() < self.count_at {
            return;
        }
        if written.as_ref() == Some(self.images.counts()) && !self.ticks.is_multiple_of(LOOK_AGAIN) {
            return;
        }
        match write_counts(&self.writer.cluster, self.images.counts()).await {
            Ok(()) => {
                *written = Some(self.images.counts().clone());
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
