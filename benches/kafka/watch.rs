//! When what clade commits is seen: the topic `progress`, read as any reader would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clade::record::{ProgressRecord, Topic};
use rdkafka::Message as _;

use crate::cluster;
use crate::settings::PARTITIONS;

/// So long may a contender take to reach the end.
const PATIENCE: Duration = Duration::from_secs(900);

/// Reads progress on a thread of its own.
pub(crate) struct Watch {
    seen: Receiver<(Instant, ProgressRecord)>,
    last: Vec<Option<ProgressRecord>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches the partitions of a prefix from their beginning on.
    pub(crate) fn start(prefix: &str) -> Self {
        let consumer = cluster::read_all(&cluster::name(prefix, Topic::Progress));
        let (sender, seen) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !is_stopped.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let now = Instant::now();
                let progress = message.payload().and_then(|json| serde_json::from_slice(json).ok());
                if let Some(progress) = progress
                    && sender.send((now, progress)).is_err()
                {
                    return;
                }
            }
        });
        let last = vec![None; usize::from(PARTITIONS)];
        Self { seen, last, stop, thread: Some(thread) }
    }

    /// Waits until every partition's progress `is_enough`, and says when the last of them was seen.
    pub(crate) fn until(&mut self, is_enough: impl Fn(&ProgressRecord) -> bool) -> Instant {
        let mut at = Instant::now();
        while !self.last.iter().all(|last| last.as_ref().is_some_and(&is_enough)) {
            let (now, progress) = self.seen.recv_timeout(PATIENCE).expect("no progress for 15 minutes");
            let place = &mut self.last[usize::from(progress.partition)];
            if place.is_none_or(|last| last.sequence <= progress.sequence) {
                *place = Some(progress);
            }
            at = now;
        }
        at
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
