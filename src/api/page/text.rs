//! Short forms for people, each with the exact one at hand.

use maud::{Markup, html};

use crate::oci::{Digest, Timestamp};

/// A time as a span before now, with the exact one in its title.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> Markup {
    let exact = time.to_string();
    html! { time datetime=(exact) title=(exact) { (span(now.as_second() - time.as_second())) " ago" } }
}

/// A span of time in the largest unit of which it has two.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit =
        UNITS.into_iter().find(|(length, name)| seconds >= length * if *name == "minute" { 1 } else { 2 });
    unit.map_or_else(|| "a moment".to_owned(), |(length, unit)| many((seconds / length).unsigned_abs(), unit))
}

/// A number with its noun.
pub(super) fn many(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A digest by its beginning, as a link to its explanation.
pub(super) fn image(digest: &Digest, at: Option<&str>) -> Markup {
    let text = digest.to_string();
    html! { a.digest href=(href("/explain", &[("ref", Some(&text)), ("at", at)])) title=(text) { (digest.short()) } }
}

/// A name that a stranger has chosen: its direction of writing ends with it.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi title=(text) { (text) } }
}

/// A tag as a link to the explanation of its images.
pub(super) fn tag(full: &str, at: Option<&str>) -> Markup {
    html! { a href=(href("/explain", &[("ref", Some(full)), ("at", at)])) { (name(full)) } }
}

/// The address of a view.
pub(super) fn href(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given: Vec<(&str, &str)> =
        parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    // Pairs of strings can always be written.
    let query = serde_urlencoded::to_string(given).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The address of the view of a class.
pub(super) fn class_href(class: &str, at: Option<&str>) -> String {
    href(&format!("/classes/{}", in_path(class)), &[("at", at)])
}

/// A class as a link.
pub(super) fn class(class: &str, at: Option<&str>) -> Markup {
    html! { a href=(class_href(class, at)) { (name(class)) } }
}

/// A text as one part of a path.
fn in_path(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(byte.into());
        } else {
            path += &format!("%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_address_has_what_is_given_and_every_name_is_one_part_of_it() {
        assert_eq!(href("/tags", &[("class", Some("a b")), ("at", None)]), "/tags?class=a+b");
        assert_eq!(class_href("a/b?", None), "/classes/a%2Fb%3F");
    }
}
