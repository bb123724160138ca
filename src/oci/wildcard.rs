//! Names with wildcards.

use wildmatch::WildMatch;

/// Returns `true` if a pattern, in which `*` stands for any characters and `?` for one, names this.
pub fn matches(pattern: &str, name: &str) -> bool {
    WildMatch::new(pattern).matches(name)
}
