//! Retries a request for a while that a process cannot answer yet.

use std::time::Duration;

use super::error::CliError;
use crate::retry;

/// Delay between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// Time for which a command retries a process that cannot answer yet.
const NOT_YET: Duration = Duration::from_secs(30);

/// Retries for a while if it is too early, as when a process has just started.
pub(super) fn once_it_is_time<T>(ask: impl FnMut() -> Result<T, CliError>) -> Result<T, CliError> {
    retry::while_early(NOT_YET, AGAIN, ask, |error| match error {
        CliError::NotYet(problem) => Some(problem.clone()),
        _ => None,
    })
}
