//! Requests the ends of this process's partitions from the log once a second. It has a thread of its own, so that a log
//! that does not answer delays no worker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::census::Census;
use super::past::Pasts;
use super::status::Board;
use crate::log::{LogError, SharedLog, TopicPartition};
use crate::record::Topic;
use crate::telemetry::{self, Metrics};

const EVERY: Duration = Duration::from_secs(1);

/// The running monitor. Dropping it stops it and waits for it.
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
    /// A map is valid even after a panic of a thread that changed it.
    fn boards(&self) -> MutexGuard<'_, BTreeMap<u16, Arc<Board>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Starts the thread. Where there are readers, it counts the images by their coverage as well, and forgets the past that
    /// nobody asks for any more.
    pub(super) fn start(
        log: SharedLog,
        metrics: Metrics,
        for_readers: Option<(Census, Arc<Pasts>)>,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let of = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || watch(&log, &metrics, &of, for_readers))
            .map_err(|error| LogError::caused("cannot start the monitor's thread", error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Adds a partition to those that the monitor looks at.
    pub(super) fn add(&self, partition: u16, board: &Arc<Board>) {
        self.shared.boards().insert(partition, Arc::clone(board));
    }

    /// Removes a partition that another process has now.
    pub(super) fn remove(&self, partition: u16) {
        self.shared.boards().remove(&partition);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Nothing depends on the result of the thread.
            let _ = thread.join();
        }
    }
}

fn watch(log: &SharedLog, metrics: &Metrics, shared: &Shared, mut for_readers: Option<(Census, Arc<Pasts>)>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let boards: Vec<(u16, Arc<Board>)> =
            shared.boards().iter().map(|(partition, board)| (*partition, Arc::clone(board))).collect();
        for (partition, board) in boards {
            match log.end(TopicPartition { topic: Topic::Images, partition }) {
                Ok(end) => board.look(end),
                Err(error) => {
                    tracing::debug!(partition, %error, "the log does not report its end");
                    // All partitions are on one log, and each request would wait as long.
                    break;
                }
            }
            if shared.boards().contains_key(&partition) {
                tell(metrics, partition, &board);
                if let Some((census, _)) = for_readers.as_mut().filter(|_| board.has_restored()) {
                    census.tell(metrics, partition);
                }
            }
        }
        if let Some((census, pasts)) = &mut for_readers {
            if shared.boards().values().all(|board| board.has_restored()) {
                census.tell_workloads(metrics);
            }
            pasts.forget();
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
