//! Trying again for a while what is only too early.

use std::time::{Duration, Instant};

/// Between two attempts, before jitter, which adds or takes half of it at the most.
const AGAIN: Duration = Duration::from_millis(200);

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
