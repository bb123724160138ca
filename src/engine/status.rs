//! How each partition of this process is doing: told by its worker, for people, probes and Prometheus.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::log::{LogError, Offset, SharedLog, TopicPartition};
use crate::record::{ProgressRecord, Topic};
use crate::telemetry::{self, Metrics};

/// How one partition is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// The partition.
    pub partition: u16,
    /// Whether it was brought up to date once. Before, answers lack it.
    pub restored: bool,
    /// Images in its index.
    pub images: u64,
    /// Records of `images` that are published and not in answers.
    pub behind_records: u64,
    /// For how many seconds it has not been up to date; 0 when it is, absent when it never was.
    pub behind_seconds: Option<u64>,
}

/// What a worker tells. Written by it after each step, read by anyone.
#[derive(Default)]
pub(super) struct Board(Mutex<Told>);

#[derive(Default)]
struct Told {
    restored: bool,
    at_end: bool,
    images: u64,
    behind: u64,
    /// When it last had everything.
    up_to_date: Option<Instant>,
    progress: Option<ProgressRecord>,
}

impl Board {
    /// Numbers are whole whoever panicked while writing them.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_restored(&self) -> bool {
        self.told().restored
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.told().at_end
    }

    pub(super) fn progress(&self) -> Option<ProgressRecord> {
        self.told().progress
    }

    pub(super) fn status(&self, partition: u16) -> PartitionStatus {
        let told = self.told();
        let since = |moment: Instant| if told.at_end { 0 } else { moment.elapsed().as_secs() };
        PartitionStatus {
            partition,
            restored: told.restored,
            images: told.images,
            behind_records: told.behind,
            behind_seconds: told.up_to_date.map(since),
        }
    }
}

/// Tells of one partition on its board, and once a second to Prometheus.
pub(super) struct Teller<'a> {
    partition: u16,
    log: &'a SharedLog,
    metrics: &'a Metrics,
    board: &'a Board,
    looked: Instant,
}

/// How often the end of the inputs is asked for: on a cluster that is a request.
const LOOK: Duration = Duration::from_secs(1);

impl<'a> Teller<'a> {
    /// Of a partition that was just brought up to date.
    pub(super) fn restored(
        partition: u16,
        log: &'a SharedLog,
        metrics: &'a Metrics,
        board: &'a Board,
        images: usize,
    ) -> Self {
        telemetry::set(&metrics.restored, partition, 1);
        telemetry::set(&metrics.lag, partition, 0);
        *board.told() = Told {
            restored: true,
            at_end: true,
            images: images as u64,
            up_to_date: Some(Instant::now()),
            ..Told::default()
        };
        Self { partition, log, metrics, board, looked: Instant::now() }
    }

    /// What is in answers was read up to `read`, which is all there is if it is `at_end`, and has so many images.
    pub(super) fn tell(&mut self, read: ProgressRecord, at_end: bool, images: usize) -> Result<(), LogError> {
        let is_due = self.looked.elapsed() >= LOOK;
        // At the end nothing is behind, whatever markers stand there.
        let behind = match (at_end, is_due) {
            (true, _) => Some(0),
            (false, true) => Some(self.end()?.saturating_sub(read.images)),
            (false, false) => None,
        };
        if is_due {
            self.looked = Instant::now();
            telemetry::set(&self.metrics.lag, self.partition, behind.unwrap_or(0));
            telemetry::set(&self.metrics.progress, self.partition, read.images);
        }
        let mut told = self.board.told();
        told.at_end = at_end;
        told.images = images as u64;
        told.progress = Some(read);
        if at_end {
            told.up_to_date = Some(Instant::now());
        }
        if let Some(behind) = behind {
            told.behind = behind;
        }
        Ok(())
    }

    fn end(&self) -> Result<Offset, LogError> {
        self.log.end(TopicPartition { topic: Topic::Images, partition: self.partition })
    }
}
