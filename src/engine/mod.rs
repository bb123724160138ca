//! The workers of this process, one thread per partition: processors on the embedded log, followers of a cluster's log,
//! or (`member`) the processors of a cluster's partitions that are assigned to this process.

mod bell;
mod census;
pub mod member;
mod monitor;
mod past;
mod status;
mod supervisor;
#[cfg(test)]
mod troubled;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use crate::log::{LogError, Offset, SharedLog, TopicPartition};
use crate::processor;
use crate::query::answer::PartitionStatus;
use crate::record::{Timestamp, Topic};
use crate::telemetry::Metrics;
use crate::view::View;
use bell::Bell;
use census::Census;
use monitor::Monitor;
pub use past::PastError;
use past::Pasts;
use supervisor::{Supervised, Work};
use workloads::Following;

/// The role of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It processes every partition.
    Processor,
    /// It follows partitions that others process.
    Follower,
}

/// An error of an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log cannot be opened or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A processor has given up.
    #[error("the processor of partition {partition} has given up: {reason}")]
    Processor {
        /// The partition.
        partition: u16,
        /// The last error of the processor.
        reason: String,
    },
}

/// A thread that waits for workers is woken when one of them has made progress, and at least after this time.
const LOOK: Duration = Duration::from_millis(100);

/// A running engine. Dropping it stops it.
pub struct Engine {
    log: SharedLog,
    view: Arc<View>,
    processors: Vec<Supervised>,
    bell: Bell,
    pasts: Arc<Pasts>,
    workloads: Following,
    _monitor: Monitor,
    role: Role,
    metrics: Metrics,
}

/// The lag of the processors behind the published records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The number of published records.
    pub published: u64,
    /// The number of those that have been processed.
    pub processed: u64,
}

impl Engine {
    /// Starts a processor for each partition of a log that nobody else processes.
    pub fn process(log: SharedLog, options: &processor::Options) -> Result<Self, EngineError> {
        let view = Arc::new(View::new(log.partitions()));
        Self::with(log, &view, Work::Process(Some(Arc::clone(&view))), options)
    }

    /// Follows every partition of a log that others process, for readers.
    pub fn follow(log: SharedLog, options: &processor::Options) -> Result<Self, EngineError> {
        let view = Arc::new(View::new(log.partitions()));
        Self::with(log, &view, Work::Follow(Arc::clone(&view)), options)
    }

    fn with(
        log: SharedLog,
        view: &Arc<View>,
        work: Work,
        options: &processor::Options,
    ) -> Result<Self, EngineError> {
        let bell = Bell::default();
        let start = |partition| {
            let log = SharedLog::clone(&log);
            supervisor::start(partition, log, work.clone(), options.clone(), bell.clone())
        };
        let processors: Vec<Supervised> = (0..log.partitions()).map(start).collect::<Result<_, _>>()?;
        let pasts = Arc::new(Pasts::new(SharedLog::clone(&log)));
        let workloads = Following::start(SharedLog::clone(&log), Arc::clone(view), bell.clone())?;
        let monitor = Monitor::start(
            SharedLog::clone(&log),
            options.metrics.clone(),
            Some((Census::new(Arc::clone(view)), Arc::clone(&pasts))),
        )?;
        processors.iter().for_each(|of| monitor.add(of.partition(), of.board()));
        Ok(Self {
            log,
            view: Arc::clone(view),
            processors,
            bell,
            pasts,
            workloads,
            _monitor: monitor,
            role: if matches!(work, Work::Follow(_)) { Role::Follower } else { Role::Processor },
            metrics: options.metrics.clone(),
        })
    }

    /// The view of readers.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The index as it was at a time. It is read from the log, which blocks for as long as that takes; the one that was asked
    /// for last is kept for a minute.
    pub fn past(&self, at: Timestamp) -> Result<Arc<View>, PastError> {
        self.pasts.view(at)
    }

    /// Ends the reading of a past, and refuses others from now on: whoever waits for one holds this engine.
    pub fn stop_pasts(&self) {
        self.pasts.stop();
    }

    /// The log.
    pub fn log(&self) -> &SharedLog {
        &self.log
    }

    /// The role of this process.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The metrics of the engine.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until every record published before the call is processed and visible to readers. Records that come
    /// meanwhile do not count. Ends early if a processor gives up. Calls `told` meanwhile.
    pub fn catch_up(&self, mut told: impl FnMut(Lag)) -> Result<(), EngineError> {
        let ends = self.ends()?;
        let workloads = self.log.end(TopicPartition { topic: Topic::Workloads, partition: 0 })?;
        loop {
            let seen = self.bell.rings();
            self.check()?;
            let lag = self.lag(&ends);
            told(lag);
            // The ends of a cluster's partitions lie behind markers that no reader sees, so a follower is done when it
            // is at the end.
            let is_read = self.role == Role::Follower && self.processors.iter().all(Supervised::is_at_end);
            if (is_read || lag.processed >= lag.published)
                && self.processors.iter().all(Supervised::has_restored)
                && (self.workloads.has_seen(workloads) || is_read && self.workloads.is_done())
            {
                return Ok(());
            }
            self.bell.wait(seen, LOOK);
        }
    }

    /// Waits until every partition was up to date once. Ends early if a worker gives up.
    pub fn wait_until_restored(&self) -> Result<(), EngineError> {
        loop {
            let seen = self.bell.rings();
            if self.processors.iter().all(Supervised::has_restored) && self.workloads.is_done() {
                return Ok(());
            }
            self.check()?;
            self.bell.wait(seen, LOOK);
        }
    }

    /// The ends of each partition's inputs.
    fn ends(&self) -> Result<Vec<[Offset; 3]>, LogError> {
        let catalog = self.log.end(TopicPartition { topic: Topic::Catalog, partition: 0 })?;
        let ends = |partition| {
            let end = |topic| self.log.end(TopicPartition { topic, partition });
            Ok([end(Topic::Images)?, end(Topic::Tags)?, catalog])
        };
        (0..self.log.partitions()).map(ends).collect()
    }

    fn lag(&self, ends: &[[Offset; 3]]) -> Lag {
        let mut lag = Lag { published: 0, processed: 0 };
        for (committed, ends) in self.view.snapshot().partitions().zip(ends) {
            let progress = committed.progress;
            for (end, at) in ends.iter().zip([progress.images, progress.tags, progress.catalog]) {
                lag.published += end;
                lag.processed += at.min(*end);
            }
        }
        lag
    }

    /// The status of each partition.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.processors.iter().map(Supervised::status).collect()
    }

    /// Returns an error once a processor has given up.
    pub fn check(&self) -> Result<(), EngineError> {
        match self.processors.iter().find_map(Supervised::failure) {
            Some((partition, reason)) => Err(EngineError::Processor { partition, reason }),
            None => Ok(()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // All are stopped at once; each is waited for as it is dropped.
        self.processors.iter().for_each(Supervised::stop);
    }
}
