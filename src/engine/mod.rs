//! Everything in one process: the embedded log, a processor a partition, and the view that they publish.

mod supervisor;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::log::embedded::EmbeddedLog;
use crate::log::{LogError, SharedLog, TopicPartition, embedded};
use crate::processor;
use crate::publisher::{PublishError, Publisher};
use crate::record::{Timestamp, Topic};
use crate::view::View;
use supervisor::Supervised;

/// How an engine is started.
#[derive(Clone, Default)]
pub struct Options {
    /// How the log is opened.
    pub log: embedded::Options,
    /// How the processors work.
    pub processor: processor::Options,
}

/// Why an engine could not start or go on.
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
        /// Its last error.
        reason: String,
    },
}

/// A running engine. Dropping it stops it.
pub struct Engine {
    log: SharedLog,
    view: Arc<View>,
    stop: Arc<AtomicBool>,
    processors: Vec<Supervised>,
}

/// How far the processors are behind what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Records that are published.
    pub published: u64,
    /// Of those, records that have been processed.
    pub processed: u64,
}

impl Engine {
    /// Opens the log in `dir` and starts a processor for each of its partitions.
    pub fn start(dir: &Path, options: Options) -> Result<Self, EngineError> {
        let log: SharedLog = Arc::new(EmbeddedLog::open(dir, options.log)?);
        let view = Arc::new(View::new(log.partitions()));
        let stop = Arc::new(AtomicBool::new(false));
        let start = |partition| {
            supervisor::start(
                partition,
                SharedLog::clone(&log),
                Arc::clone(&view),
                Arc::clone(&stop),
                options.processor.clone(),
            )
        };
        let processors = (0..log.partitions()).map(start).collect::<Result<_, _>>()?;
        Ok(Self { log, view, stop, processors })
    }

    /// What readers see.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The log.
    pub fn log(&self) -> &SharedLog {
        &self.log
    }

    /// A publisher. It fences any earlier one.
    pub fn publisher(&self) -> Result<Publisher, PublishError> {
        Publisher::restore(SharedLog::clone(&self.log), Timestamp::now)
    }

    /// How far the processors are behind.
    pub fn lag(&self) -> Result<Lag, EngineError> {
        self.check()?;
        let mut lag = Lag { published: 0, processed: 0 };
        let catalog = self.log.end(TopicPartition { topic: Topic::Catalog, partition: 0 })?;
        for committed in self.view.snapshot().partitions {
            let progress = committed.progress;
            let partition = progress.partition;
            lag.published += self.log.end(TopicPartition { topic: Topic::Images, partition })?
                + self.log.end(TopicPartition { topic: Topic::Tags, partition })?
                + catalog;
            lag.processed += progress.images + progress.tags + progress.catalog;
        }
        Ok(lag)
    }

    /// Waits until everything published is processed and seen by readers. `told` is called meanwhile.
    pub fn catch_up(&self, mut told: impl FnMut(Lag)) -> Result<(), EngineError> {
        loop {
            let lag = self.lag()?;
            told(lag);
            if lag.processed >= lag.published && self.processors.iter().all(Supervised::has_restored) {
                return Ok(());
            }
            // The processors publish to the view, not to waiters; a look now and then costs nothing.
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// An error once a processor has given up.
    pub fn check(&self) -> Result<(), EngineError> {
        match self.processors.iter().find_map(Supervised::failure) {
            Some((partition, reason)) => Err(EngineError::Processor { partition, reason }),
            None => Ok(()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for processor in &mut self.processors {
            processor.join();
        }
    }
}
