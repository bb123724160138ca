//! The entries of the audit trail about an object.

use maud::{Markup, html};
use serde::Deserialize;

use super::Shown;
use super::asking::Asking;
use super::frame::Failed;
use super::listed::{Field, asked, listed};
use super::look::Look;
use super::text::{class, image, in_path, name, tag};
use super::words::many;
use crate::audit::Entry;
use crate::query::answer::{List, ListMetadata};

/// Tags that are named.
const NAMED: usize = 2;

const FIELDS: &[Field] = &[
    Field("image", "Image (digest)", &[]),
    Field("class", "Class", &[]),
    Field("group", "Group", &[]),
    Field("policy", "Policy", &[]),
    Field("workload", "Workload", &[]),
    Field("rebuild", "Rebuild", &[]),
    Field("what", "What", &[]),
    Field("since", "Since", &[]),
    Field("until", "Until", &[]),
];

/// The answer of the API.
#[derive(Deserialize)]
struct Found {
    metadata: Metadata,
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "continue")]
    token: Option<String>,
    damaged: u64,
}

pub(super) async fn audit(api: Asking) -> Shown {
    if api.look().at().is_some() {
        return Err(Failed::invalid("at: this view has the fields since and until in place of a time"));
    }
    let found: Found = api.get("/v1/audit", &asked(api.look())).await?;
    let Found { metadata: Metadata { token, damaged }, items } = found;
    let list = List { metadata: ListMetadata { token, ..ListMetadata::default() }, ..List::new(items) };
    let look = api.look();
    let content = html! {
        (listed("Audit trail", FIELDS, look, &list, &rows(&list.items, look)))
        @if damaged > 0 {
            p.problem { (many(damaged, "line")) " that may be about this, and left out, since damaged: " code { "clade audit verify" } " tells more." }
        }
    };
    Ok(api.view_of_the_present("Audit trail".to_owned(), content))
}

fn rows(entries: &[Entry], look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th.number { "Entry" } th { "Recorded" } th { "What" } th { "Of" } th { "Tags" } th.wide { "Change" } } }
            tbody { @for entry in entries { (row(entry, look)) } }
        } }
    }
}

fn row(entry: &Entry, look: &Look) -> Markup {
    let tags = entry.tags();
    html! {
        tr {
            td.number { (entry.seq) }
            td { (look.ago(entry.time)) }
            td { (name(&entry.what)) }
            td { (objects(entry, look)) }
            td {
                @for of in tags.iter().take(NAMED) { (tag(of, look)) " " }
                @if tags.len() > NAMED { span.faint { "and " (tags.len() - NAMED) " more" } }
            }
            td.reason { (name(&entry.change())) }
        }
    }
}

/// The objects that an entry is about, as links to their views.
fn objects(entry: &Entry, look: &Look) -> Markup {
    html! {
        @if let Some(of) = &entry.image { (image(of, look)) " " }
        @if let Some(of) = &entry.class { (class(of, look)) " " }
        @if let Some(of) = &entry.rebuild { a href=(format!("/rebuilds/{}", in_path(of))) { (name(of)) } " " }
        @for of in [&entry.target, &entry.group, &entry.policy, &entry.workload].into_iter().flatten() { (name(of)) " " }
    }
}

/// A link to the entries about an object.
pub(super) fn entries_of(object: &str, of: &str) -> Markup {
    let query = serde_urlencoded::to_string([(object, of)]).unwrap_or_default();
    html! { a href=(format!("/audit?{query}")) { "Audit entries" } }
}
