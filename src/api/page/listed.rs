//! A list with its filter. The address of the view is its state: filter, order, and page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::look::Look;
use super::text::name;
use crate::query::answer::List;

/// Rows of a page.
const ROWS: u64 = 100;
/// Rows of a page, at most, whatever its address says.
const MOST_ROWS: u64 = 500;

/// A field of a filter: the parameter, its label, and the choices if there are few.
#[derive(Clone, Copy)]
pub(super) struct Field(pub(super) &'static str, pub(super) &'static str, pub(super) &'static [&'static str]);

/// The same question to the API, for one page. The API says which parameters it does not know.
pub(super) fn asked(look: &Look) -> BTreeMap<&str, String> {
    let given = look.given().iter().filter(|(name, _)| *name != "at");
    let mut asked: BTreeMap<&str, String> =
        given.map(|(name, value)| (name.as_str(), value.clone())).collect();
    let limit = asked.entry("limit").or_insert_with(|| ROWS.to_string());
    // A number that is none is refused.
    if limit.parse::<u64>().is_ok_and(|limit| limit > MOST_ROWS) {
        *limit = MOST_ROWS.to_string();
    }
    asked
}

/// The filter, the rows, and the way to the next page.
pub(super) fn listed<T>(title: &str, fields: &[Field], look: &Look, list: &List<T>, rows: &Markup) -> Markup {
    html! {
        h1 { (name(title)) }
        (filter(fields, look))
        @if let (Some(rest), None) = (list.metadata.remaining_item_count, look.get("continue")) {
            p.faint { (list.items.len() as u64 + rest) " in all" }
        }
        @if list.items.is_empty() && list.metadata.token.is_none() {
            p { "Nothing meets these conditions." }
        } @else {
            (rows)
        }
        @if let Some(token) = &list.metadata.token {
            p {
                a href=(look.with(&[("continue", token)])) rel="next" { "Next page" }
                @if let Some(rest) = list.metadata.remaining_item_count { span.faint { " " (rest) " more" } }
            }
        }
    }
}

/// The filter as a form. The REF of a list is no part of it, and stays.
pub(super) fn filter(fields: &[Field], look: &Look) -> Markup {
    let has = |name: &str| fields.iter().any(|Field(parameter, ..)| *parameter == name);
    let of = look.get("ref").map(|of| ("ref", of));
    html! {
        form.filter {
            (look.hidden(has))
            @for field in fields { (field.shown(look.get(field.0).unwrap_or_default())) }
            button { "Filter" }
            a href=(look.href(look.path(), of.as_slice())) { "Clear" }
        }
    }
}

impl Field {
    fn shown(&self, value: &str) -> Markup {
        let Self(parameter, label, choices) = self;
        let id = format!("f-{parameter}");
        html! {
            span.field {
                label for=(id) { (label) } " "
                @if choices.is_empty() {
                    input id=(id) name=(parameter) value=(value) size="14";
                } @else {
                    select id=(id) name=(parameter) {
                        option value="" { "any" }
                        @for choice in *choices { option value=(choice) selected[*choice == value] { (choice) } }
                    }
                }
            }
        }
    }
}
