//! The pace of requests to a registry: a limit per second, a limit at once, and the pauses that the registry demands.

use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests at once: enough to hide the round trip, few enough for a small registry.
const AT_ONCE: usize = 8;

/// The pace of one registry.
pub(super) struct Pace {
    interval: Duration,
    /// The time at which the next request may begin.
    next: Mutex<Instant>,
    at_once: Semaphore,
}

impl Pace {
    pub(super) fn new(requests_per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / requests_per_second.max(1),
            next: Mutex::new(Instant::now()),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// Waits for the turn of a request. The turn lasts until the caller drops the permit.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.at_once.acquire().await.ok();
        loop {
            let at = {
                let mut next = self.next.lock().await;
                let now = Instant::now();
                if *next <= now {
                    // Unused time is not saved up.
                    *next = now + self.interval;
                    return permit;
                }
                *next
            };
            tokio::time::sleep_until(at).await;
        }
    }

    /// Delays all further requests by this time.
    pub(super) async fn rest(&self, time: Duration) {
        let mut next = self.next.lock().await;
        *next = (*next).max(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_spread_over_the_second_and_wait_while_the_registry_rests() {
        let pace = Pace::new(50);
        let begun = Instant::now();
        for _ in 0..6 {
            drop(pace.turn().await);
        }
        assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
        let begun = Instant::now();
        pace.rest(Duration::from_millis(200)).await;
        drop(pace.turn().await);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }
}
