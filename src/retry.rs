//! Trying again: one rule for the wait between two attempts, and one for how often a failure that goes on is logged.

use std::time::{Duration, Instant};

/// The waits after failures in a row: the first, doubled with each further failure, up to the longest. Of each wait a part
/// between half and all is taken by chance, so that many that failed together do not try again together.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    first: Duration,
    longest: Duration,
}

impl Policy {
    /// A policy of these bounds.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after so many failures in a row. `chance` is between 0 and 1.
    pub fn wait(self, failures: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.first.saturating_mul(doubled).min(self.longest);
        wait.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// The failures in a row of one thing that is tried again and again.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
}

/// One failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// How many there have been in a row, this one included.
    pub times: u32,
    /// The wait before the next attempt.
    pub wait: Duration,
}

impl Backoff {
    /// No failure yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, failures: 0 }
    }

    /// It has failed once more.
    pub fn failed(&mut self) -> Failure {
        self.failures = self.failures.saturating_add(1);
        Failure { times: self.failures, wait: self.policy.wait(self.failures, fastrand::f64()) }
    }

    /// It has succeeded. Says whether it had failed before.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

impl Failure {
    /// Whether this failure is worth a line of the log: the 1st, 2nd, 4th, 8th in a row and so on.
    pub fn is_logged(&self) -> bool {
        is_logged(self.times)
    }
}

/// [`Failure::is_logged`] for whoever counts by himself.
pub fn is_logged(times: u32) -> bool {
    times.is_power_of_two()
}

/// A period, a quarter longer or shorter by chance, so that what runs in step falls out of it.
pub fn spread(period: Duration) -> Duration {
    period.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Attempts something until it succeeds or fails for good, or is still too early after `patience`; about `pause` passes between
/// two attempts. `is_early` says what to tell people of an error that passes by itself; they are told once. Blocks.
pub fn while_early<T, E>(
    patience: Duration,
    pause: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
    is_early: impl Fn(&E) -> Option<String>,
) -> Result<T, E> {
    let deadline = Instant::now() + patience;
    let mut is_told = false;
    loop {
        let result = attempt();
        let early = match &result {
            Err(error) if Instant::now() < deadline => is_early(error),
            _ => None,
        };
        let Some(told) = early else { return result };
        if !std::mem::replace(&mut is_told, true) {
            eprintln!("{told} (trying again for up to {} s)", patience.as_secs());
        }
        std::thread::park_timeout(spread(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(30));

    #[test]
    fn waits_double_up_to_the_longest_and_chance_takes_half_of_each_at_most() {
        let waits =
            |chance| [1, 2, 3, 6, 7, u32::MAX].map(|failures| POLICY.wait(failures, chance).as_secs_f64());
        assert_eq!(waits(1.0), [1.0, 2.0, 4.0, 30.0, 30.0, 30.0]);
        assert_eq!(waits(0.0), [0.5, 1.0, 2.0, 15.0, 15.0, 15.0]);
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(POLICY);
        let failures: Vec<Failure> = (0..1_000).map(|_| backoff.failed()).collect();
        assert!(failures[0].wait <= Duration::from_secs(1));
        assert!(failures[100..].iter().all(|of| (15.0..=30.0).contains(&of.wait.as_secs_f64())));
        assert_eq!(failures.iter().filter(|of| of.is_logged()).count(), 10);
        assert!(backoff.succeeded() && !backoff.succeeded());
        assert_eq!(backoff.failed().times, 1);
    }

    fn attempts(
        patience: Duration,
        outcomes: &[Result<(), &'static str>],
    ) -> (Result<(), &'static str>, usize) {
        let mut made = 0;
        let attempt = || {
            made += 1;
            outcomes.get(made - 1).copied().unwrap_or(Err("early"))
        };
        let outcome = while_early(patience, Duration::from_millis(1), attempt, |error| {
            (*error == "early").then(|| "early".to_owned())
        });
        (outcome, made)
    }

    #[test]
    fn what_is_too_early_is_tried_again_until_it_succeeds_or_fails_for_good() {
        let long = Duration::from_secs(600);
        assert_eq!(attempts(long, &[Ok(())]), (Ok(()), 1));
        assert_eq!(attempts(long, &[Err("early"), Ok(())]), (Ok(()), 2));
        assert_eq!(attempts(long, &[Err("early"), Err("wrong")]), (Err("wrong"), 2));
    }

    #[test]
    fn patience_ends() {
        assert_eq!(attempts(Duration::ZERO, &[]), (Err("early"), 1));
        assert_eq!(attempts(Duration::from_millis(1), &[]).0, Err("early"));
    }
}
