//! Trying again for a while what is only too early.

use std::time::{Duration, Instant};

use super::error::CliError;

/// Between two attempts, before jitter, which adds or takes half of it at the most.
const AGAIN: Duration = Duration::from_millis(200);

/// So long a clade that cannot answer yet is asked again.
const NOT_YET: Duration = Duration::from_secs(30);

/// Asks again for a while if it is too early, as it is when clade has just begun.
pub(super) fn once_it_is_time<T>(ask: impl FnMut() -> Result<T, CliError>) -> Result<T, CliError> {
    patiently(NOT_YET, ask, |error| match error {
        CliError::NotYet(problem) => Some(problem.clone()),
        _ => None,
    })
}

/// Attempts something until it succeeds or fails for good, or is still too early after `patience`. `is_early` says what is
/// told of an error that passes by itself; it is told once.
pub(super) fn patiently<T, E>(
    patience: Duration,
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
        std::thread::park_timeout(AGAIN.mul_f64(0.5 + fastrand::f64()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(
        patience: Duration,
        outcomes: &[Result<(), &'static str>],
    ) -> (Result<(), &'static str>, usize) {
        let mut made = 0;
        let attempt = || {
            made += 1;
            outcomes.get(made - 1).copied().unwrap_or(Err("early"))
        };
        let outcome = patiently(patience, attempt, |error| (*error == "early").then(|| "early".to_owned()));
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
