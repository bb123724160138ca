//! Wakes threads that wait for progress of the workers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A bell that counts its rings, so that no thread misses a ring between a look and a wait. Clones are the same bell.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<(Mutex<u64>, Condvar)>);

impl Bell {
    /// The rings so far.
    pub(super) fn rings(&self) -> u64 {
        *self.lock()
    }

    /// Wakes every waiting thread.
    pub(super) fn ring(&self) {
        *self.lock() += 1;
        self.0.1.notify_all();
    }

    /// Waits until the bell has rung since `seen` was read, or for `most`.
    pub(super) fn wait(&self, seen: u64, most: Duration) {
        // The caller looks again itself, whether the bell has rung or not.
        drop(self.0.1.wait_timeout_while(self.lock(), most, |rings| *rings == seen));
    }

    /// A number is valid even after a panic of a thread that held it.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_missed() {
        let bell = Bell::default();
        let seen = bell.rings();
        bell.ring();
        let begun = Instant::now();
        bell.wait(seen, Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
