//! Short forms for people, each with the exact one at hand.

use maud::{Markup, html};

use super::look::Look;
use crate::oci::Digest;

/// A span of time in the largest unit of which it has two.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let is_long = |(length, name): &(i64, &str)| seconds >= length * if *name == "minute" { 1 } else { 2 };
    let unit = UNITS.into_iter().find(is_long);
    unit.map_or_else(|| "a moment".to_owned(), |(length, unit)| many((seconds / length).unsigned_abs(), unit))
}

/// A number with its noun.
pub(super) fn many(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A digest by its beginning, as a link to its explanation.
pub(super) fn image(digest: &Digest, look: &Look) -> Markup {
    let text = digest.to_string();
    html! { a.digest href=(look.href("/explain", &[("ref", &text)])) title=(text) { (digest.short()) } }
}

/// A text that a stranger has chosen: its direction of writing ends with it.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi title=(text) { (text) } }
}

/// A tag as a link to the explanation of its images.
pub(super) fn tag(full: &str, look: &Look) -> Markup {
    html! { a href=(look.href("/explain", &[("ref", full)])) { (name(full)) } }
}

/// The path of the view of a class.
pub(super) fn class_path(class: &str) -> String {
    format!("/classes/{}", in_path(class))
}

/// A class as a link.
pub(super) fn class(class: &str, look: &Look) -> Markup {
    html! { a href=(look.href(&class_path(class), &[])) { (name(class)) } }
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
    fn every_name_is_one_part_of_a_path() {
        assert_eq!(class_path("a/b?"), "/classes/a%2Fb%3F");
    }
}
