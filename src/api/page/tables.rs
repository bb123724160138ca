//! Tables of tags and images. The address of a table is its state: filter, order, and page.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::look::Look;
use super::text::{class, image, name, tag};
use crate::query::answer::{ClassStanding, ImageItem, List, TagItem};

/// Rows of a page.
const ROWS: u64 = 100;
/// Rows of a page, at most, whatever its address says.
const MOST_ROWS: u64 = 500;
/// Tags and classes that one cell names.
const NAMED: usize = 4;

/// A field of a filter: the parameter, its label, and the choices if there are few.
struct Field(&'static str, &'static str, &'static [&'static str]);

const FIELDS: &[Field] = &[
    Field("class", "Class", &[]),
    Field("group", "Group", &[]),
    Field("state", "State", &["current", "outdated"]),
    Field("repository", "Repository", &[]),
    Field("namespace", "Namespace", &[]),
    Field("platform", "Platform", &[]),
    Field("outdatedFor", "Outdated for", &[]),
];
const OF_IMAGES: &[Field] = &[
    Field("tagged", "Tagged", &["true", "false"]),
    Field("sort", "Order", &["name", "created", "-created", "outdated"]),
];

pub(super) async fn tags(api: Asking) -> Shown {
    let list: List<TagItem> = api.get("/v1/tags", &asked(api.look())).await?;
    let rows = tag_rows(&list.items, api.look());
    let content = table("Tags", &FIELDS.iter().collect::<Vec<_>>(), api.look(), &list, &rows);
    Ok(api.view("Tags".to_owned(), content))
}

pub(super) async fn images(api: Asking) -> Shown {
    let (title, path) = match api.look().get("ref") {
        Some(of) => (format!("Images built on {of}"), "/v1/descendants"),
        None => ("Images".to_owned(), "/v1/images"),
    };
    let list: List<ImageItem> = api.get(path, &asked(api.look())).await?;
    let rows = image_rows(&list.items, api.look());
    let fields: Vec<&Field> = FIELDS.iter().chain(OF_IMAGES).collect();
    let content = table(&title, &fields, api.look(), &list, &rows);
    Ok(api.view(title, content))
}

/// The same question to the API, for one page. The API says which parameters it does not know.
fn asked(look: &Look) -> BTreeMap<&str, String> {
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

fn table<T>(title: &str, fields: &[&Field], look: &Look, list: &List<T>, rows: &Markup) -> Markup {
    let value = |name: &str| look.get(name).unwrap_or_default();
    let has = |name: &str| fields.iter().any(|Field(parameter, ..)| *parameter == name);
    let of = look.get("ref").map(|of| ("ref", of));
    let path = if has("sort") { "/images" } else { "/tags" };
    html! {
        h1 { (name(title)) }
        form.filter {
            (look.hidden(has))
            @for field in fields { (field.shown(value(field.0))) }
            button { "Filter" }
            a href=(look.href(path, of.as_slice())) { "Clear" }
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

/// Rows of tags.
pub(super) fn tag_rows(tags: &[TagItem], look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Tag" } th { "Moved" } th { "Platforms" } th { "Classes" } } }
            tbody { @for of in tags { tr {
                td { (tag(&of.name, look)) }
                td { (look.ago(of.since)) }
                td { @for of in &of.images { (name(&of.platform.to_string())) " " } @if of.images.is_empty() { span.faint { "unknown images" } } }
                td { (standings(&of.images, look)) }
            } } }
        } }
    }
}

/// Rows of images.
pub(super) fn image_rows(images: &[ImageItem], look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Image" } th { "Tags" } th { "Platform" } th { "Built" } th.number { "Layers" } th { "Classes" } } }
            tbody { @for of in images { tr {
                td { (image(&of.digest, look)) }
                td {
                    @for full in of.tags.iter().take(NAMED) { (tag(full, look)) " " }
                    @if of.tags.len() > NAMED { span.faint { "and " (of.tags.len() - NAMED) " more" } }
                    @if of.tags.is_empty() { span.faint { @for repository in of.repositories.iter().take(NAMED) { (name(repository)) " " } } }
                }
                td { (name(&of.platform.to_string())) }
                td { @if let Some(created) = of.created { (look.ago(created)) } }
                td.number { (of.layers) }
                td { (standings(std::slice::from_ref(of), look)) }
            } } }
        } }
    }
}

/// The classes of these images, the nearest first. Where the images of a tag differ, a class comes with each state.
fn standings(images: &[ImageItem], look: &Look) -> Markup {
    let mut standings: Vec<&ClassStanding> = images.iter().flat_map(|of| &of.classes).collect();
    standings.sort_by(|a, b| {
        b.depth
            .cmp(&a.depth)
            .then_with(|| (&a.name, a.state, a.outdated_since).cmp(&(&b.name, b.state, b.outdated_since)))
    });
    let mut named = BTreeSet::new();
    standings.retain(|standing| named.insert((&standing.name, standing.state)));
    html! {
        @for standing in standings.iter().take(NAMED) {
            span class=(standing.state.to_string()) { (class(&standing.name, look)) " " (standing.state.to_string())
                @if let Some(since) = standing.outdated_since { " since " (look.ago(since)) } } br;
        }
        @if standings.len() > NAMED { span.faint { "and " (standings.len() - NAMED) " more" } }
    }
}
