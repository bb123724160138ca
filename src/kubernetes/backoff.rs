//! How long is waited before an API server that did not answer is asked again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
/// The longest wait before jitter, which adds or takes half of it at the most: a server that is back is found within
/// 30 s. (kube's own default waits for up to a minute, and a second one after a restart of the server.)
const LONGEST: Duration = Duration::from_secs(20);

/// The waits after one failure after another, doubling. Without an end: nothing can be done without the server.
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// So long is to be waited now; the next wait is longer.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.5 + fastrand::f64());
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_half_a_minute_at_the_most() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..1_000).map(|_| backoff.wait()).collect();
        assert!(waits[0] < Duration::from_secs(1));
        assert!(waits[100..].iter().all(|wait| (10.0..30.0).contains(&wait.as_secs_f64())));
    }
}
