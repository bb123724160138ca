//! One of several processes that share the partitions: processes those that the consumer group gives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::EngineError;
use super::supervisor::{self, Supervised, Work};
use crate::log::SharedLog;
use crate::log::kafka::{Change, KafkaLog};
use crate::processor::Options;

/// How often the group is looked at, and whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often the group is told how far the processors are.
const TELL: Duration = Duration::from_secs(5);

/// Processes partitions until `stop` is set. Ends early when a processor has given up.
pub fn run(log: Arc<KafkaLog>, options: &Options, stop: &AtomicBool) -> Result<(), EngineError> {
    let ownership = log.join()?;
    let log: SharedLog = log;
    let mut processors: BTreeMap<u16, Supervised> = BTreeMap::new();
    // Told to stop, and perhaps still busy: a rebalance waits for nobody. The successor fences them.
    let mut leaving: Vec<Supervised> = Vec::new();
    let mut told = Instant::now();
    while !stop.load(Ordering::Relaxed) {
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
