//! Short forms for people, each with the exact one at hand.

use maud::{Markup, html};

use super::look::Look;
use crate::oci::Digest;

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
pub(super) fn in_path(text: &str) -> String {
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
    fn every_name_is_one_part_of_a_path() {
        assert_eq!(class_path("a/b?"), "/classes/a%2Fb%3F");
    }
}
