//! Retries: one rule for the delay between two attempts, and one for which failures are logged.

use std::time::{Duration, Instant};

/// The delays after failures in a row: the first, doubled with each further failure, up to the longest. Each delay is
/// shortened to a random part between half and all of it, so that callers that failed together do not retry together.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    first: Duration,
    longest: Duration,
}

impl Policy {
    /// Returns a policy with these bounds.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delay after this many failures in a row. `chance` is between 0 and 1.
    pub fn wait(self, failures: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.first.saturating_mul(doubled).min(self.longest);
        wait.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// The failures in a row of one operation.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
}

/// One failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The number of failures in a row, including this one.
    pub times: u32,
    /// The delay before the next attempt.
    pub wait: Duration,
}

impl Backoff {
    /// Returns a state without a failure.
    pub fn new(policy: Policy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Notes a failure.
    pub fn failed(&mut self) -> Failure {
        self.failures = self.failures.saturating_add(1);
        Failure { times: self.failures, wait: self.policy.wait(self.failures, fastrand::f64()) }
    }

    /// Notes a success. Returns `true` if there was a failure before.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

impl Failure {
    /// Returns `true` if this failure is worth a log line: the 1st, 2nd, 4th, 8th in a row and so on.
    pub fn is_logged(&self) -> bool {
        is_logged(self.times)
    }
}

/// The same as [`Failure::is_logged`], for callers that count themselves.
pub fn is_logged(times: u32) -> bool {
    times.is_power_of_two()
}

/// Returns a period that is up to a quarter longer or shorter by chance, so that processes in step fall out of it.
pub fn spread(period: Duration) -> Duration {
    period.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Repeats an operation until it succeeds or fails for good, or is still too early after `patience`, with a delay of
/// about `pause` between two attempts. `is_early` returns the message for an error that passes by itself; it is shown
/// once. Blocks.
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
