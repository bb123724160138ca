//! Tables of tags and images. The address of a table is its state: filter, order, and page.

use std::collections::BTreeMap;

use axum::extract::Query as Params;
use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::text::{ago, class, href, image, name, tag};
use crate::oci::Timestamp;
use crate::query::answer::{ImageItem, List, TagItem};

/// Rows of a page.
const ROWS: &str = "100";
/// Tags and classes that one cell names.
const NAMED: usize = 4;

/// The parameters of a table. The API says which of them it does not know.
type Given = BTreeMap<String, String>;

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

pub(super) async fn tags(api: Asking, Params(given): Params<Given>) -> Shown {
    let given = filled_in(given);
    let list: List<TagItem> = api.get("/v1/tags", &asked(&given)).await?;
    let rows = tag_rows(&list.items, at(&given), Timestamp::now());
    let content = table("Tags", "/tags", FIELDS.iter().collect(), &given, &list, &rows);
    Ok(api.view("Tags".to_owned(), at(&given), content))
}

pub(super) async fn images(api: Asking, Params(given): Params<Given>) -> Shown {
    let given = filled_in(given);
    let (title, path) = match given.get("ref") {
        Some(of) => (format!("Images built on {of}"), "/v1/descendants"),
        None => ("Images".to_owned(), "/v1/images"),
    };
    let list: List<ImageItem> = api.get(path, &asked(&given)).await?;
    let rows = image_rows(&list.items, at(&given), Timestamp::now());
    let fields = FIELDS.iter().chain(OF_IMAGES).collect();
    let content = table(&title, "/images", fields, &given, &list, &rows);
    Ok(api.view(title, at(&given), content))
}

/// A form sends the fields that nobody has filled in as well.
fn filled_in(mut given: Given) -> Given {
    given.retain(|_, value| !value.is_empty());
    given
}

/// The same question to the API, for one page.
fn asked(given: &Given) -> Given {
    let mut asked = given.clone();
    asked.entry("limit".to_owned()).or_insert_with(|| ROWS.to_owned());
    asked
}

fn at(given: &Given) -> Option<&str> {
    given.get("at").map(String::as_str)
}

fn table<T>(
    title: &str,
    path: &str,
    fields: Vec<&Field>,
    given: &Given,
    list: &List<T>,
    rows: &Markup,
) -> Markup {
    let value = |name: &str| given.get(name).map_or("", String::as_str);
    let next = list.metadata.token.as_deref().map(|token| {
        let mut parameters: Vec<(&str, Option<&str>)> =
            given.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
        parameters.retain(|(name, _)| *name != "continue");
        parameters.push(("continue", Some(token)));
        href(path, &parameters)
    });
    html! {
        h1 { (name(title)) }
        form.filter action=(path) {
            @for hidden in ["ref", "at"] { @if given.contains_key(hidden) { input type="hidden" name=(hidden) value=(value(hidden)); } }
            @for Field(parameter, label, choices) in fields {
                span.field {
                    label for=(format!("f-{parameter}")) { (label) } " "
                    @if choices.is_empty() {
                        input id=(format!("f-{parameter}")) name=(parameter) value=(value(parameter)) size="14";
                    } @else {
                        select id=(format!("f-{parameter}")) name=(parameter) {
                            option value="" { "any" }
                            @for choice in *choices { option value=(choice) selected[*choice == value(parameter)] { (choice) } }
                        }
                    }
                }
            }
            button { "Filter" }
            a href=(href(path, &[("at", at(given))])) { "Clear" }
        }
        @if list.items.is_empty() && next.is_none() {
            p { "Nothing meets these conditions." }
        } @else {
            (rows)
        }
        p {
            @if let Some(next) = next {
                a href=(next) rel="next" { "Next page" }
                @if let Some(rest) = list.metadata.remaining_item_count { span.faint { " " (rest) " more" } }
            }
        }
    }
}

/// Rows of tags.
pub(super) fn tag_rows(tags: &[TagItem], at: Option<&str>, now: Timestamp) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Tag" } th { "Moved" } th { "Platforms" } th { "Classes" } } }
            tbody { @for of in tags { tr {
                td { (tag(&of.name, at)) }
                td { (ago(of.since, now)) }
                td { @for of in &of.images { (of.platform.to_string()) " " } @if of.images.is_empty() { span.faint { "unknown images" } } }
                td { @if let Some(first) = of.images.first() { (standings(first, at, now)) } }
            } } }
        } }
    }
}

/// Rows of images.
pub(super) fn image_rows(images: &[ImageItem], at: Option<&str>, now: Timestamp) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Image" } th { "Tags" } th { "Platform" } th { "Built" } th.number { "Layers" } th { "Classes" } } }
            tbody { @for of in images { tr {
                td { (image(&of.digest, at)) }
                td {
                    @for full in of.tags.iter().take(NAMED) { (tag(full, at)) " " }
                    @if of.tags.len() > NAMED { span.faint { "and " (of.tags.len() - NAMED) " more" } }
                    @if of.tags.is_empty() { span.faint { @for repository in of.repositories.iter().take(NAMED) { (name(repository)) " " } } }
                }
                td { (of.platform.to_string()) }
                td { @if let Some(created) = of.created { (ago(created, now)) } }
                td.number { (of.layers) }
                td { (standings(of, at, now)) }
            } } }
        } }
    }
}

/// The classes of an image, the nearest first.
fn standings(of: &ImageItem, at: Option<&str>, now: Timestamp) -> Markup {
    let mut standings: Vec<_> = of.classes.iter().collect();
    standings.sort_by(|a, b| b.depth.cmp(&a.depth).then_with(|| a.name.cmp(&b.name)));
    html! {
        @for standing in standings.iter().take(NAMED) {
            span class=(standing.state.to_string()) { (class(&standing.name, at)) " " (standing.state.to_string())
                @if let Some(since) = standing.outdated_since { " since " (ago(since, now)) } } br;
        }
        @if standings.len() > NAMED { span.faint { "and " (standings.len() - NAMED) " more" } }
    }
}
