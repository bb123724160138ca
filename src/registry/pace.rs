//! How fast a registry is asked: so many requests a second, so many at once, and not before it wants to be asked again.

use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests at once: enough to hide the way there and back, few enough for a small registry.
const AT_ONCE: usize = 8;

/// The pace of one registry.
pub(super) struct Pace {
    interval: Duration,
    /// When the next request may begin.
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

    /// Waits for a request's turn. It lasts as long as what is returned.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        let permit = self.at_once.acquire().await.ok();
        loop {
            let at = {
                let mut next = self.next.lock().await;
                let now = Instant::now();
                if *next <= now {
                    // Time in which nobody asked is not saved up.
                    *next = now + self.interval;
                    return permit;
                }
                *next
            };
            tokio::time::sleep_until(at).await;
        }
    }

    /// Nobody asks before this time has passed.
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
