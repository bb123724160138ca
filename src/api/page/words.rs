//! Numbers and spans of time in words.

/// A span of time in the largest unit of which it has two.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let is_long = |(length, name): &(i64, &str)| seconds >= length * if *name == "minute" { 1 } else { 2 };
    let unit = UNITS.into_iter().find(is_long);
    unit.map_or_else(|| "a moment".to_owned(), |(length, unit)| many((seconds / length).unsigned_abs(), unit))
}

/// A number of bytes in the largest unit of which it has one.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(length, _)| bytes >= *length) {
        Some((length, unit)) if bytes < 10 * length => {
            format!("{}.{} {unit}", bytes / length, bytes % length * 10 / length)
        }
        Some((length, unit)) => format!("{} {unit}", bytes / length),
        None => many(bytes, "byte"),
    }
}

/// A number with its noun.
pub(super) fn many(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_largest_unit_of_which_it_has_one() {
        for (bytes, told) in [
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_050, "1.0 kB"),
            (9_990, "9.9 kB"),
            (25_999, "25 kB"),
            (47_300_000, "47 MB"),
            (u64::MAX, "18446744073 GB"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn a_span_has_the_largest_unit_of_which_it_has_two() {
        for (seconds, told) in [
            (-5, "a moment"),
            (59, "a moment"),
            (60, "1 minute"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (86_400 * 29, "29 days"),
            (86_400 * 400, "13 months"),
        ] {
            assert_eq!(span(seconds), told);
        }
    }
}
