//! How long after a transaction's end the next one should begin.
//!
//! If that is too soon, while the broker still writes the markers of the last, it is refused (`CONCURRENT_TRANSACTIONS`), and
//! librdkafka asks again after 20 ms, whatever its properties say (`rdkafka_txnmgr.c`). Nobody tells of it but the time that
//! it takes. A large transaction takes as long anyway: it is taken for a refused one, and what is lost is little beside it.

use std::time::{Duration, Instant};

/// What takes so long may have been refused.
const REFUSED: Duration = Duration::from_millis(20);
/// One refusal makes the rest so much longer.
const STEP: Duration = Duration::from_millis(1);
/// Markers take no longer, or a rest is dearer than a refusal.
const MOST: Duration = Duration::from_millis(5);

/// The rest of one writer between its transactions: longer with each refusal, and a little shorter with each that was none.
#[derive(Default)]
pub(super) struct Rest {
    last: Option<Instant>,
    time: Duration,
}

impl Rest {
    /// A transaction has ended, whose records were acknowledged within this time.
    pub(super) fn ended(&mut self, now: Instant, acknowledge: Duration) {
        self.last = Some(now);
        self.time = if acknowledge < REFUSED { self.time * 31 / 32 } else { (self.time + STEP).min(MOST) };
    }

    /// How long the next one should still wait.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |last| self.time.saturating_sub(now.duration_since(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(4);

    #[test]
    fn who_is_not_refused_does_not_rest() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        assert_eq!(rest.left(now), Duration::ZERO);
        rest.ended(now, SOON);
        assert_eq!(rest.left(now), Duration::ZERO);
    }

    #[test]
    fn who_is_refused_again_and_again_rests_longer_up_to_a_bound_and_only_since_the_last_end() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        rest.ended(now, REFUSED);
        assert_eq!(rest.left(now), STEP);
        (0..100).for_each(|_| rest.ended(now, REFUSED));
        assert_eq!(rest.left(now), MOST);
        assert_eq!(rest.left(now + STEP), MOST - STEP);
        assert_eq!(rest.left(now + MOST * 2), Duration::ZERO);
    }

    #[test]
    fn a_rest_is_forgotten_when_nobody_is_refused_any_more() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        (0..100).for_each(|_| rest.ended(now, REFUSED));
        (0..100).for_each(|_| rest.ended(now, SOON));
        assert!(rest.left(now) < STEP, "{:?}", rest.left(now));
    }
}
