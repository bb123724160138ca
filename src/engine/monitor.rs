//! Asks the log once a second for the ends of the partitions that this process works on: a thread of its own, so that
//! a log that does not answer holds no worker up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::status::Board;
use crate::log::{LogError, SharedLog, TopicPartition};
use crate::record::Topic;
use crate::telemetry::{self, Metrics};

const EVERY: Duration = Duration::from_secs(1);

/// The running monitor. Dropping it ends it and waits for it.
pub(super) struct Monitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    boards: Mutex<BTreeMap<u16, Arc<Board>>>,
}

impl Shared {
    /// A map is whole whoever panicked while it was changed.
    fn boards(&self) -> MutexGuard<'_, BTreeMap<u16, Arc<Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    pub(super) fn start(log: SharedLog, metrics: Metrics) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let of = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || watch(&log, &metrics, &of))
            .map_err(|error| LogError::caused("cannot start the monitor's thread", error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From now on it looks at this partition.
    pub(super) fn add(&self, partition: u16, board: &Arc<Board>) {
        self.shared.boards().insert(partition, Arc::clone(board));
    }

    /// The partition is another process's now.
    pub(super) fn remove(&self, partition: u16) {
        self.shared.boards().remove(&partition);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // What it tells, nobody misses.
            let _ = thread.join();
        }
    }
}

fn watch(log: &SharedLog, metrics: &Metrics, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let boards: Vec<(u16, Arc<Board>)> =
            shared.boards().iter().map(|(partition, board)| (*partition, Arc::clone(board))).collect();
        for (partition, board) in boards {
            match log.end(TopicPartition { topic: Topic::Images, partition }) {
                Ok(end) => board.look(end),
                Err(error) => {
                    tracing::debug!(partition, %error, "the log does not tell its end");
                    // All of them are on one log, and each would wait as long.
                    break;
                }
            }
            if shared.boards().contains_key(&partition) {
                tell(metrics, partition, &board);
            }
        }
        std::thread::park_timeout(EVERY);
    }
}

fn tell(metrics: &Metrics, partition: u16, board: &Board) {
    if board.has_restored() {
        telemetry::set(&metrics.lag, partition, board.status(partition).behind_records);
        telemetry::set(&metrics.progress, partition, board.progress().map_or(0, |read| read.images));
    }
}
