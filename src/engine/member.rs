//! One of several processes that share the partitions: processes those that the consumer group gives it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::EngineError;
use super::status::PartitionStatus;
use super::supervisor::{self, Supervised, Work};
use crate::log::SharedLog;
use crate::log::kafka::{Change, KafkaLog};
use crate::processor::Options;

/// How often the group is looked at, and whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often the group is told how far the processors are.
const TELL: Duration = Duration::from_secs(5);

/// What a member tells of its partitions, and how it is told to stop. Clones share it.
#[derive(Clone, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    partitions: Arc<Mutex<Vec<PartitionStatus>>>,
}

impl Handle {
    /// Tells the member to hand its partitions over and to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How the partitions are doing that are this process's now.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Processes partitions until it is told to stop. Ends early when a processor has given up.
pub fn run(log: Arc<KafkaLog>, options: &Options, handle: &Handle) -> Result<(), EngineError> {
    let ownership = log.join()?;
    let log: SharedLog = log;
    let mut processors: BTreeMap<u16, Supervised> = BTreeMap::new();
    // Told to stop, and perhaps still busy: a rebalance waits for nobody. The successor fences them.
    let mut leaving: Vec<Supervised> = Vec::new();
    let mut told = Instant::now();
    while !handle.stop.load(Ordering::Relaxed) {
        for change in ownership.poll(LOOK)? {
            match change {
                Change::Gained(partitions) => {
                    tracing::info!(?partitions, "took partitions over");
                    for partition in partitions {
                        // If it was ours a moment ago, the old processor must have ended first.
                        leaving.retain(|of| of.partition() != partition);
                        let work = Work::Process(None);
                        let started =
                            supervisor::start(partition, SharedLog::clone(&log), work, options.clone())?;
                        processors.insert(partition, started);
                    }
                }
                Change::Lost(partitions) => {
                    tracing::info!(?partitions, "handed partitions over");
                    leaving.extend(partitions.iter().filter_map(|partition| processors.remove(partition)));
                    leaving.iter().for_each(Supervised::stop);
                }
            }
        }
        leaving.retain(|of| !of.has_ended());
        *handle.partitions.lock().unwrap_or_else(PoisonError::into_inner) =
            processors.values().map(Supervised::status).collect();
        if let Some((partition, reason)) = processors.values().find_map(Supervised::failure) {
            return Err(EngineError::Processor { partition, reason });
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            let offsets: Vec<_> = processors
                .values()
                .filter_map(|of| of.progress().map(|progress| (of.partition(), progress.images)))
                .collect();
            ownership.commit(&offsets);
        }
    }
    // All at once; each is waited for as it is dropped, and only then is the group left.
    processors.values().for_each(Supervised::stop);
    drop(processors);
    Ok(())
}
