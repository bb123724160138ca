//! The pace of requests to a registry: a limit per second, a limit at once, and the pauses that the registry demands.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests at once, at least: enough to hide the round trip, few enough for a small registry.
const FEWEST_AT_ONCE: usize = 8;
/// Requests at once, at most.
const MOST_AT_ONCE: usize = 64;
/// The time of an answer that does not keep the pace from its limit per second.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The pace of one registry.
pub(super) struct Pace {
    interval: Duration,
    slots: Mutex<Slots>,
    at_once: Semaphore,
}

/// The times at which requests begin.
struct Slots {
    /// The next one that nobody has.
    next: Instant,
    /// No request begins before.
    resting_until: Instant,
}

impl Pace {
    pub(super) fn new(requests_per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / requests_per_second.max(1);
        let in_a_round_trip = ROUND_TRIP.as_nanos().div_ceil(interval.as_nanos().max(1));
        let at_once = usize::try_from(in_a_round_trip).unwrap_or(MOST_AT_ONCE);
        let now = Instant::now();
        Self {
            interval,
            slots: Mutex::new(Slots { next: now, resting_until: now }),
            at_once: Semaphore::new(at_once.clamp(FEWEST_AT_ONCE, MOST_AT_ONCE)),
        }
    }

    /// Waits for the turn of a request. The turn lasts until the caller drops the permit.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.at_once.acquire().await.ok();
        loop {
            // Each request takes a slot of its own before it sleeps. If all slept for the same one, a timer that is a
            // millisecond late would cost each slot a millisecond.
            let at = {
                let mut slots = self.slots();
                // Unused time is not saved up.
                let at = slots.next.max(Instant::now());
                slots.next = at + self.interval;
                at
            };
            tokio::time::sleep_until(at).await;
            if self.slots().resting_until <= at {
                return permit;
            }
        }
    }

    /// Delays all further requests by this time.
    pub(super) fn rest(&self, time: Duration) {
        let mut slots = self.slots();
        slots.resting_until = slots.resting_until.max(Instant::now() + time);
        slots.next = slots.next.max(slots.resting_until);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Each assignment leaves the slots valid, so they can be used after a thread has panicked.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
        pace.rest(Duration::from_millis(200));
        drop(pace.turn().await);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_timer_does_not_slow_the_requests_after_it() {
        let pace = Pace::new(5_000);
        let begun = Instant::now();
        let asking = (0..1_000).map(|_| async { drop(pace.turn().await) });
        futures_util::future::join_all(asking).await;
        // The timer of tokio counts whole milliseconds.
        let took = begun.elapsed();
        assert!((Duration::from_millis(199)..Duration::from_millis(230)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_its_slot_rests_as_well() {
        let pace = Pace::new(10);
        drop(pace.turn().await);
        let begun = Instant::now();
        let waiting = pace.turn();
        let resting = async { pace.rest(Duration::from_secs(5)) };
        drop(futures_util::future::join(waiting, resting).await);
        assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
