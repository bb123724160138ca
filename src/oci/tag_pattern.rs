//! Patterns of tags: a repository names the versions of one base by several tags, as `12.1`, `12.2` and `12`.

use std::str::FromStr;

use semver::{Version, VersionReq};
use wildmatch::WildMatch;

/// The characters that begin a range of versions. None of them can stand in a tag.
const OPERATORS: [char; 5] = ['<', '>', '=', '^', '~'];

/// A pattern of tags: a name with `*` (any characters) and `?` (one character), or a range of versions as Cargo writes
/// them, such as `>=9.2, <10`.
#[derive(Debug, Clone)]
pub enum TagPattern {
    /// A name with wildcards.
    Name(WildMatch),
    /// A range of versions.
    Range(VersionReq),
}

impl TagPattern {
    /// Returns `true` if the pattern names this tag. A range names only tags that are versions and nothing else: of
    /// `9.4`, `v9.4.1` and `9.4-slim` the first two.
    pub fn matches(&self, tag: &str) -> bool {
        match self {
            Self::Name(name) => name.matches(tag),
            Self::Range(range) => version(tag).is_some_and(|version| range.matches(&version)),
        }
    }
}

/// The error says what is wrong, without the pattern.
impl FromStr for TagPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(OPERATORS) {
            return text
                .parse()
                .map(Self::Range)
                .map_err(|error| format!("it is no range of versions: {error}"));
        }
        let is_tag = |of: char| of.is_ascii_alphanumeric() || "._-*?".contains(of);
        if text.is_empty() || text.len() > 128 || !text.chars().all(is_tag) {
            return Err("it is neither a name of tags, such as 12-* or 12.?, nor a range of versions, such as >=12.1, <13"
                .to_owned());
        }
        Ok(Self::Name(WildMatch::new(text)))
    }
}

/// The version that a tag is: up to three numbers, with or without `v` in front.
fn version(tag: &str) -> Option<Version> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = tag.split('.').map(|part| {
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u64>().ok()).flatten()
    });
    let major = numbers.next()??;
    let minor = numbers.next().map_or(Some(0), |minor| minor)?;
    let patch = numbers.next().map_or(Some(0), |patch| patch)?;
    numbers.next().is_none().then(|| Version::new(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, tag: &str) -> bool {
        pattern.parse::<TagPattern>().unwrap().matches(tag)
    }

    #[test]
    fn wildcards_stand_for_any_characters_or_for_one() {
        for (pattern, tag) in [("12-*", "12-20260801"), ("12.?", "12.5"), ("*", "latest"), ("12", "12")] {
            assert!(matches(pattern, tag), "{pattern} {tag}");
        }
        for (pattern, tag) in [("12-*", "12"), ("12.?", "12.15"), ("12.?", "12x5"), ("12", "12.1")] {
            assert!(!matches(pattern, tag), "{pattern} {tag}");
        }
    }

    #[test]
    fn a_range_names_versions_and_nothing_else() {
        for (pattern, tag) in
            [(">=9.2, <10", "9.4"), ("^3.19", "v3.20.1"), ("=7", "7"), ("~1.4", "1.4.9"), (">=24", "24.04")]
        {
            assert!(matches(pattern, tag), "{pattern} {tag}");
        }
        for (pattern, tag) in [
            (">=9.2, <10", "10.0"),
            (">=9", "9.4-slim"),
            (">=9", "latest"),
            (">=9", "9.1.2.3"),
            (">=9", "9."),
            (">=9", ""),
            (">=9", "99999999999999999999999"),
        ] {
            assert!(!matches(pattern, tag), "{pattern} {tag}");
        }
    }

    #[test]
    fn a_text_that_is_no_pattern_is_refused_with_the_reason() {
        for wrong in ["", "base:12", "12 *", ">=twelve", "^", &"1".repeat(129)] {
            assert!(wrong.parse::<TagPattern>().is_err(), "{wrong:?}");
        }
    }
}
