//! Parses moments as people type them.

use crate::cli::error::CliError;
use crate::oci::{Timestamp, time};

/// Parses a time, or a time span before now.
pub(super) fn moment(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    time::moment(text, now).ok_or_else(|| {
        CliError::Usage(format!(
            "{option} {text:?} is no moment: write 2026-11-25T00:00:00Z, or how long ago it was, as 90m, 2h or 1d12h"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        moment("--since", text, now).ok().map(|time| time.to_string())
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_was() {
        assert_eq!(read("2026-01-02T03:04:05Z").unwrap(), "2026-01-02T03:04:05Z");
        assert_eq!(read("90m").unwrap(), "2026-11-25T10:30:00Z");
        assert_eq!(read("2h").unwrap(), "2026-11-25T10:00:00Z");
        assert_eq!(read("7d").unwrap(), "2026-11-18T12:00:00Z");
        assert_eq!(read("1d12h").unwrap(), "2026-11-24T00:00:00Z");
        for nonsense in ["", "2", "-1h", "yesterday", "99999999999999999999d"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
