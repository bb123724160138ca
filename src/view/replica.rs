//! The writing half of one partition's two copies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::copies::{Copies, Copy, Slot};
use super::{Committed, View};
use crate::record::ProgressRecord;
use crate::shard::{Change, Shard};

/// The time that a processor waits for the readers of its copy. A reader that holds on for longer costs a new copy instead.
const READERS_TIMEOUT: Duration = Duration::from_millis(200);

/// The copy that a processor works on, and what it has to do to the other one.
pub struct Replica {
    view: Arc<View>,
    partition: u16,
    copies: Copies<Committed>,
    /// Which of the partition's replicas this is.
    number: u64,
}

/// The work on a copy before it was published, which is done to the other one when it comes back.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and they move seldom")]
pub(super) enum Step {
    /// These changes were applied, and the inputs are in it up to here.
    Batch(Vec<Change>, ProgressRecord),
    /// It was laid out anew.
    Settle,
}

impl Copy for Committed {
    type Step = Step;

    fn repeat(&mut self, step: Step) {
        match step {
            Step::Batch(changes, progress) => {
                self.progress = progress;
                if changes.is_empty() {
                    return;
                }
                for change in &changes {
                    // A change that was refused the first time is refused again.
                    let _ = self.shard.apply(change);
                }
                self.shard.catch_up();
            }
            Step::Settle => self.shard.settle(),
        }
    }
}

impl Slot<Committed> for ArcSwap<Committed> {
    fn load(&self) -> Arc<Committed> {
        self.load_full()
    }

    fn swap(&self, copy: Arc<Committed>) -> Arc<Committed> {
        ArcSwap::swap(self, copy)
    }
}

impl Replica {
    /// Starts the partition over with `shard` as working copy. Readers keep what they see until the first publication.
    pub fn new(view: Arc<View>, partition: u16, shard: Shard) -> Self {
        let progress = ProgressRecord::beginning(partition, shard.partitions());
        let number = {
            let mut newest = lock(&view.replicas[usize::from(partition)]);
            *newest += 1;
            *newest
        };
        Self { view, partition, copies: Copies::new(Committed { shard, progress }), number }
    }

    /// The working copy, up to date and nobody else's.
    pub fn shard(&mut self) -> &mut Shard {
        &mut self.own().shard
    }

    fn own(&mut self) -> &mut Committed {
        let deadline = Instant::now() + READERS_TIMEOUT;
        self.copies.own(&self.view.partitions[usize::from(self.partition)], || {
            std::thread::yield_now();
            Instant::now() < deadline
        })
    }

    /// Makes the working copy, to which exactly `changes` have been applied since the last publication and drained,
    /// the one that readers see. Does nothing once there is a newer replica of the partition.
    pub fn publish(&mut self, changes: Vec<Change>, progress: ProgressRecord) {
        let state = self.own();
        state.progress = progress;
        state.shard.build_orders();
        let newest = lock(&self.view.replicas[usize::from(self.partition)]);
        if *newest != self.number {
            return;
        }
        let slot = &self.view.partitions[usize::from(self.partition)];
        if let Step::Batch(changes, _) = self.copies.publish(slot, Step::Batch(changes, progress)) {
            for change in changes {
                match change {
                    Change::Image(image) => self.view.directory.put(&image.digest, self.partition),
                    Change::ImageGone(digest) => self.view.directory.remove(digest, self.partition),
                    _ => {}
                }
            }
        }
    }

    /// Publishes a copy that was built from nothing: after a restore. The other copy is made from it.
    pub fn publish_restored(&mut self, progress: ProgressRecord) {
        let state = self.own();
        state.shard.settle();
        state.progress = progress;
        let newest = lock(&self.view.replicas[usize::from(self.partition)]);
        if *newest != self.number {
            return;
        }
        for image in self.copies.peek().shard.images() {
            self.view.directory.put(&image.digest, self.partition);
        }
        self.copies.publish_anew(&self.view.partitions[usize::from(self.partition)]);
    }

    /// Lays both copies out anew: the working one now, which is then published, the other when it comes back.
    pub fn settle(&mut self) {
        self.own().shard.settle();
        let newest = lock(&self.view.replicas[usize::from(self.partition)]);
        if *newest == self.number {
            self.copies.publish(&self.view.partitions[usize::from(self.partition)], Step::Settle);
        }
    }
}

/// A number is whole whoever panicked while holding it.
fn lock(number: &Mutex<u64>) -> MutexGuard<'_, u64> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
}
