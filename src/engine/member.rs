//! Processes the partitions that a consumer group assigns to this process, one of several that share them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::EngineError;
use super::bell::Bell;
use super::monitor::Monitor;
use super::status::Board;
use super::supervisor::{self, Supervised, Work};
use crate::log::kafka::{Change, KafkaLog};
use crate::log::{Offset, SharedLog};
use crate::processor::Options;
use crate::query::answer::PartitionStatus;

/// Interval at which the member polls the group and checks the stop flag.
const LOOK: Duration = Duration::from_millis(100);
/// Interval at which the member commits the progress of its processors to the group.
const TELL: Duration = Duration::from_secs(5);

/// The status of a member's partitions, and its stop flag. Clones share it.
#[derive(Clone, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    has_joined: Arc<AtomicBool>,
    partitions: Arc<Mutex<Vec<PartitionStatus>>>,
}

impl Handle {
    /// Asks the member to hand over its partitions and to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Returns `true` once the group has assigned partitions to this process, even if it assigned none.
    pub fn has_joined(&self) -> bool {
        self.has_joined.load(Ordering::Relaxed)
    }

    /// The status of the partitions that this process has now.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Processes partitions until the stop flag is set. Ends early if a processor has given up.
pub fn run(log: Arc<KafkaLog>, options: &Options, handle: &Handle) -> Result<(), EngineError> {
    let ownership = log.join()?;
    let log: SharedLog = log;
    let mut member = Member {
        monitor: Monitor::start(SharedLog::clone(&log), options.metrics.clone(), None)?,
        log,
        options,
        owned: BTreeSet::new(),
        processors: BTreeMap::new(),
        leaving: Vec::new(),
    };
    let mut told = Instant::now();
    while !handle.stop.load(Ordering::Relaxed) {
        for change in ownership.poll(LOOK)? {
            handle.has_joined.store(true, Ordering::Relaxed);
            member.take(change);
        }
        member.start_owned()?;
        *handle.partitions.lock().unwrap_or_else(PoisonError::into_inner) = member.status();
        if let Some((partition, reason)) = member.processors.values().find_map(Supervised::failure) {
            return Err(EngineError::Processor { partition, reason });
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            ownership.commit(&member.offsets());
        }
    }
    // All are stopped at once. Each is waited for as it is dropped, and only then the member leaves the group.
    member.processors.values().for_each(Supervised::stop);
    drop(member);
    Ok(())
}

struct Member<'a> {
    log: SharedLog,
    options: &'a Options,
    /// The partitions assigned to this process.
    owned: BTreeSet<u16>,
    processors: BTreeMap<u16, Supervised>,
    /// Workers that were asked to stop and may still be busy: a rebalance does not wait for them. The successor fences
    /// them.
    leaving: Vec<Supervised>,
    monitor: Monitor,
}

impl Member<'_> {
    fn take(&mut self, change: Change) {
        match change {
            Change::Gained(partitions) => {
                tracing::info!(?partitions, "took partitions over");
                self.owned.extend(partitions);
            }
            Change::Lost(partitions) => {
                tracing::info!(?partitions, "handed partitions over");
                for partition in partitions {
                    self.owned.remove(&partition);
                    self.monitor.remove(partition);
                    self.leaving.extend(self.processors.remove(&partition));
                }
                self.leaving.iter().for_each(Supervised::stop);
            }
        }
    }

    /// Starts workers of assigned partitions that do not run. A partition that was handed over and came back a moment
    /// later waits until its old worker has ended.
    fn start_owned(&mut self) -> Result<(), EngineError> {
        self.leaving.retain(|of| !of.has_ended());
        for partition in &self.owned {
            let is_busy = || self.leaving.iter().any(|of| of.partition() == *partition);
            if self.processors.contains_key(partition) || is_busy() {
                continue;
            }
            let (log, work) = (SharedLog::clone(&self.log), Work::Process(None));
            let started = supervisor::start(*partition, log, work, self.options.clone(), Bell::default())?;
            self.monitor.add(*partition, started.board());
            self.processors.insert(*partition, started);
        }
        Ok(())
    }

    /// The status of all assigned partitions. One that waits for its old worker is not restored.
    fn status(&self) -> Vec<PartitionStatus> {
        let of = |partition: &u16| match self.processors.get(partition) {
            Some(of) => of.status(),
            None => Board::default().status(*partition),
        };
        self.owned.iter().map(of).collect()
    }

    fn offsets(&self) -> Vec<(u16, Offset)> {
        let offset = |of: &Supervised| of.progress().map(|progress| (of.partition(), progress.images));
        self.processors.values().filter_map(offset).collect()
    }
}

#[cfg(test)]
mod tests;
