//! Patterns of repositories and tags.

use std::convert::Infallible;
use std::str::FromStr;

/// A name in which `*` stands for any characters, `/` as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Returns the one name that the pattern matches, if it has no `*`.
    pub fn name(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&*self.0)
    }

    /// Returns `true` if the pattern matches the name.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        let Some(mut rest) = rest.strip_suffix(last) else { return false };
        // The first place of a part between two stars is the best: it leaves the most text for the other parts.
        parts.all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }
}

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// Returns `true` if one of the patterns matches the name, or if there are no patterns.
pub(super) fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let Ok(pattern) = pattern.parse::<Pattern>();
        pattern.matches(name)
    }

    #[test]
    fn a_star_stands_for_any_characters_and_for_none() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "team/app"),
            ("team/*", "team/a/b"),
            ("*/app", "team/app"),
            ("v*.*", "v1.2.3"),
            ("team/app", "team/app"),
            ("a*b*c", "abc"),
            ("a*bc*c", "abcbcc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_stands_outside_of_stars_must_be_there() {
        for (pattern, name) in
            [("team/*", "team"), ("v*.*", "v1"), ("app", "apps"), ("a*a", "a"), ("*b*", "ac"), ("", "x")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
