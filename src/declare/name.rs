//! Checks names of classes and groups.

use super::Invalid;

/// Refuses a name that cannot be a part of a label key: Kubernetes bounds that to 63 letters, digits and `- _ .`.
pub(super) fn check(kind: &str, name: &str) -> Result<(), Invalid> {
    let is_good = !name.is_empty()
        && name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_good {
        return Ok(());
    }
    Err(Invalid(format!(
        "{kind} name {name:?} cannot be a label: use 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit \
         first and last"
    )))
}
