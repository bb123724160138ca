//! Checks names of classes, groups and policies.

use super::Invalid;

/// Refuses a name that cannot be a part of a label key: Kubernetes bounds that to 63 letters, digits and `- _ .`.
pub(super) fn check(kind: &str, name: &str) -> Result<(), Invalid> {
    if is_label_text(name) {
        return Ok(());
    }
    Err(Invalid(format!(
        "{kind} name {name:?} cannot be a label: use 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit \
         first and last"
    )))
}

/// Refuses labels that Kubernetes would not take: a key is an optional DNS prefix and a name, a value has up to 63 letters,
/// digits and `- _ .` (Kubernetes, "Labels and Selectors").
pub(super) fn check_labels<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), String> {
    for (key, value) in labels {
        let (prefix, name) =
            key.rsplit_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        let is_prefix = |prefix: &str| {
            prefix.len() <= 253
                && !prefix.is_empty()
                && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if !is_label_text(name) || !prefix.is_none_or(is_prefix) {
            return Err(format!(
                "the label key {key:?} is none: write NAME or PREFIX/NAME, as team or example.com/team"
            ));
        }
        if !value.is_empty() && !is_label_text(value) {
            return Err(format!(
                "the value {value:?} of the label {key:?} is none: use up to 63 letters, digits, '-', '_' and '.', with a \
                 letter or digit first and last"
            ));
        }
    }
    Ok(())
}

fn is_label_text(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(key: &str, value: &str) -> bool {
        check_labels([(&key.to_owned(), &value.to_owned())]).is_ok()
    }

    #[test]
    fn labels_are_those_that_kubernetes_takes() {
        assert!(is_good("os", "rhel7") && is_good("example.com/team", "a_b.c-d") && is_good("empty", ""));
        for (key, value) in [
            ("os", "a b"),
            ("os", "x\ny"),
            ("os", "\u{1b}[2J"),
            ("", "x"),
            ("/os", "x"),
            ("a/b/", "x"),
            ("os", "-x"),
        ] {
            assert!(!is_good(key, value), "{key:?} {value:?}");
        }
    }
}
