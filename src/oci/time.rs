//! Spans of time as people type them: `90m`, `2h`, `1d12h`, `2 weeks`, or ISO 8601 (`P1DT12H`).

use core::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};

/// Reads a span of time. A day has 24 hours; months and years have no fixed length and are refused, as is what is negative.
pub fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

/// Reads a time of RFC 3339, or the span of time since then.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| now.checked_sub(duration(text)?).ok())
}

/// Reads a time in the past, or the span of time since then. A span is counted from the beginning of the present minute, so that
/// several questions about it are about one time.
pub fn past(text: &str, now: Timestamp) -> Option<Timestamp> {
    moment(text, Timestamp::from_second(now.as_second() / 60 * 60).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_numbers_with_units() {
        for (text, seconds) in [
            ("45s", 45),
            ("90m", 5_400),
            ("2h", 7_200),
            ("7d", 604_800),
            ("1d12h", 129_600),
            ("1d30m", 88_200),
            ("2w", 1_209_600),
            (" 2 weeks ", 1_209_600),
            ("PT2H", 7_200),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for nonsense in [
            "",
            "h",
            "2",
            "-1h",
            "1h ago",
            "1y",
            "3mo",
            "yesterday",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(nonsense), None, "{nonsense}");
        }
    }
}
