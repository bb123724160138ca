//! The writing half of one partition's two copies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Committed, View};
use crate::record::ProgressRecord;
use crate::shard::{Change, Shard};

/// How long a processor waits for the readers of its copy. A reader that holds on for longer costs a new copy instead.
const READERS_TIMEOUT: Duration = Duration::from_millis(200);

/// The copy that a processor works on, and what it has to do to the other one.
pub struct Replica {
    view: Arc<View>,
    partition: u16,
    working: Arc<Committed>,
    /// Applied to the published copy and not yet to the working one.
    behind: Vec<Change>,
    /// The published copy was laid out anew after those changes.
    behind_settled: bool,
    /// Which of the partition's replicas this is.
    number: u64,
}

impl Replica {
    /// Starts the partition over with `shard` as working copy. Readers keep what they see until the first publication.
    pub fn new(view: Arc<View>, partition: u16, shard: Shard) -> Self {
        let progress = ProgressRecord::beginning(partition, shard.partitions());
        let working = Arc::new(Committed { shard, progress });
        let number = {
            let mut newest = lock(&view.replicas[usize::from(partition)]);
            *newest += 1;
            *newest
        };
        Self { view, partition, working, behind: Vec::new(), behind_settled: false, number }
    }

    /// The working copy, up to date and nobody else's.
    pub fn shard(&mut self) -> &mut Shard {
        &mut self.own().shard
    }

    fn own(&mut self) -> &mut Committed {
        let deadline = Instant::now() + READERS_TIMEOUT;
        while Arc::get_mut(&mut self.working).is_none() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        if Arc::get_mut(&mut self.working).is_none() {
            self.working = self.view.partitions[usize::from(self.partition)].load_full();
            self.behind.clear();
            self.behind_settled = false;
        }
        // Copies only if it is still shared.
        let working = Arc::make_mut(&mut self.working);
        if !self.behind.is_empty() {
            for change in self.behind.drain(..) {
                // What was refused the first time is refused again.
                let _ = working.shard.apply(&change);
            }
            working.shard.catch_up();
        }
        if std::mem::take(&mut self.behind_settled) {
            working.shard.settle();
        }
        working
    }

    /// Makes the working copy, to which exactly `changes` have been applied since the last publication and drained,
    /// the one that readers see. Does nothing once there is a newer replica of the partition.
    pub fn publish(&mut self, changes: Vec<Change>, progress: ProgressRecord) {
        let state = self.own();
        state.progress = progress;
        let view = Arc::clone(&self.view);
        let newest = lock(&view.replicas[usize::from(self.partition)]);
        if *newest != self.number {
            return;
        }
        let published = Arc::clone(&self.working);
        let retired = self.view.partitions[usize::from(self.partition)].swap(published);
        for change in &changes {
            match change {
                Change::Image(image) => self.view.directory.put(&image.digest, self.partition),
                Change::ImageGone(digest) => self.view.directory.remove(digest, self.partition),
                _ => {}
            }
        }
        self.working = retired;
        self.behind = changes;
    }

    /// Publishes a copy that was built from nothing: after a restore. The other copy is made from it.
    pub fn publish_restored(&mut self, progress: ProgressRecord) {
        let state = self.own();
        state.shard.settle();
        state.progress = progress;
        let copy = Arc::new((*self.working).clone());
        let view = Arc::clone(&self.view);
        let newest = lock(&view.replicas[usize::from(self.partition)]);
        if *newest != self.number {
            return;
        }
        for image in copy.shard.images() {
            self.view.directory.put(&image.digest, self.partition);
        }
        self.view.partitions[usize::from(self.partition)].store(std::mem::replace(&mut self.working, copy));
        self.behind.clear();
        self.behind_settled = false;
    }

    /// Lays both copies out anew: the working one now, which is then published, the other when it comes back.
    pub fn settle(&mut self) {
        self.own().shard.settle();
        let progress = self.working.progress;
        self.publish(Vec::new(), progress);
        self.behind_settled = true;
    }
}

/// A number is whole whoever panicked while holding it.
fn lock(number: &Mutex<u64>) -> MutexGuard<'_, u64> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
}
