//! Asking again for a while what a clade cannot answer yet.

use std::time::Duration;

use super::error::CliError;
use crate::retry;

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// So long a command asks a clade again that cannot answer yet.
const NOT_YET: Duration = Duration::from_secs(30);

/// Asks again for a while if it is too early, as it is when clade has just begun.
pub(super) fn once_it_is_time<T>(ask: impl FnMut() -> Result<T, CliError>) -> Result<T, CliError> {
    retry::while_early(NOT_YET, AGAIN, ask, |error| match error {
        CliError::NotYet(problem) => Some(problem.clone()),
        _ => None,
    })
}
