//! What somebody looks at: the address of a view, and the time that it is about.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::words::span;
use crate::oci::Timestamp;
use crate::oci::time::past;

/// The address of a view.
#[derive(Debug, Clone)]
pub(super) struct Look {
    path: String,
    /// The parameters that have a value.
    given: BTreeMap<String, String>,
    /// The time from which spans are counted: the one that the view is about.
    now: Timestamp,
}

impl Look {
    /// A span since then becomes a time here: each question of a view is about the same one.
    pub(super) fn new(path: &str, mut given: BTreeMap<String, String>, present: Timestamp) -> Self {
        let at = given.get("at").and_then(|text| past(text, present));
        if let Some(at) = at {
            given.insert("at".to_owned(), at.to_string());
        }
        Self { path: path.to_owned(), given, now: at.unwrap_or(present) }
    }

    /// The parameters.
    pub(super) fn given(&self) -> &BTreeMap<String, String> {
        &self.given
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The time that the view is about; `None` for the present.
    pub(super) fn at(&self) -> Option<&str> {
        self.get("at")
    }

    /// The present, or the time that the view is about.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// A parameter that is none of these.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        let is_unknown = |name: &&str| !known.contains(name) && *name != "at";
        self.given.keys().map(String::as_str).find(is_unknown)
    }

    /// The address of another view of the same time.
    pub(super) fn href(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let at = self.at().map(|at| ("at", at));
        address(path, parameters.iter().copied().chain(at))
    }

    /// The address of this view with these parameters besides, or in place of those of the same name.
    pub(super) fn with(&self, parameters: &[(&str, &str)]) -> String {
        let is_other = |name: &str| parameters.iter().all(|(other, _)| *other != name);
        let kept = self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        address(&self.path, kept.filter(|(name, _)| is_other(name)).chain(parameters.iter().copied()))
    }

    /// The path of the view.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The address of another view with all parameters of this one, from the first page on.
    pub(super) fn same_at(&self, path: &str) -> String {
        let kept = self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        address(path, kept.filter(|(name, _)| !["limit", "continue"].contains(name)))
    }

    /// The address of this view of the present.
    pub(super) fn of_the_present(&self) -> String {
        let kept = self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        address(&self.path, kept.filter(|(name, _)| !["at", "continue"].contains(name)))
    }

    /// The parameters of this view as hidden fields of a form: without those that the form shows, and from the first page on.
    pub(super) fn hidden(&self, has: impl Fn(&str) -> bool) -> Markup {
        html! {
            @for (name, value) in &self.given {
                @if !has(name) && name != "continue" { input type="hidden" name=(name) value=(value); }
            }
        }
    }

    /// A time as a span before that of the view, with the exact one in its title.
    pub(super) fn ago(&self, time: Timestamp) -> Markup {
        let exact = time.to_string();
        let relation = if self.at().is_some() { "before" } else { "ago" };
        html! {
            time datetime=(exact) title=(exact) { (span(self.now.as_second() - time.as_second())) " " (relation) }
        }
    }
}

fn address<'a>(path: &str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    // Pairs of strings can always be written.
    let query = serde_urlencoded::to_string(parameters.collect::<Vec<_>>()).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    fn look(given: &[(&str, &str)]) -> Look {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Look::new("/tags", given, "2026-01-08T00:00:30Z".parse().unwrap())
    }

    #[test]
    fn a_span_since_then_is_one_time_for_all_questions_of_a_view() {
        let look = look(&[("at", "7d"), ("class", "a b"), ("continue", "token")]);
        assert_eq!(look.at(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(look.now(), "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(look.href("/", &[("q", "x")]), "/?q=x&at=2026-01-01T00%3A00%3A00Z");
        assert_eq!(look.of_the_present(), "/tags?class=a+b");
    }

    #[test]
    fn a_view_keeps_its_parameters_and_takes_others_in_their_place() {
        let look = look(&[("class", "a"), ("continue", "one")]);
        assert_eq!(look.with(&[("continue", "two")]), "/tags?class=a&continue=two");
        assert_eq!(look.hidden(|_| false).into_string(), r#"<input type="hidden" name="class" value="a">"#);
        assert_eq!(
            (look.unknown(&["class", "continue"]), look.unknown(&["class"])),
            (None, Some("continue"))
        );
    }
}
