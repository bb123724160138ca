//! Tables of tags and images.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::listed::{Field, asked, listed};
use super::look::Look;
use super::text::{class, image, name, tag};
use crate::query::answer::{ClassStanding, ImageItem, List, TagItem};

/// Tags and classes that one cell names.
const NAMED: usize = 4;

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
    let content = listed("Tags", FIELDS, api.look(), &list, &rows);
    Ok(api.view("Tags".to_owned(), content))
}

pub(super) async fn images(api: Asking) -> Shown {
    let look = api.look();
    let (title, path) = match look.get("ref") {
        Some(of) if look.get("direct") == Some("true") => {
            (format!("Images built directly on {of}"), "/v1/descendants")
        }
        Some(of) => (format!("Images built on {of}"), "/v1/descendants"),
        None => ("Images".to_owned(), "/v1/images"),
    };
    let list: List<ImageItem> = api.get(path, &asked(api.look())).await?;
    let rows = image_rows(&list.items, api.look());
    let fields = [FIELDS, OF_IMAGES].concat();
    let content = listed(&title, &fields, api.look(), &list, &rows);
    Ok(api.view(title, content))
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
    // Where images of one tag differ, each state has its platforms.
    let differs = |of: &ClassStanding| {
        images.len() > 1 && standings.iter().any(|other| other.name == of.name && other.state != of.state)
    };
    html! {
        @for standing in standings.iter().take(NAMED) {
            span class=(standing.state.to_string()) { (class(&standing.name, look)) " " (standing.state.to_string())
                @if let Some(since) = standing.outdated_since { " since " (look.ago(since)) } }
            @if differs(standing) { span.faint { " " (platforms(images, standing)) } }
            br;
        }
        @if standings.len() > NAMED { span.faint { "and " (standings.len() - NAMED) " more" } }
    }
}

/// The platforms of those images that stand so.
fn platforms(images: &[ImageItem], as_this: &ClassStanding) -> Markup {
    let stands_so = |of: &&ImageItem| {
        of.classes.iter().any(|other| (&other.name, other.state) == (&as_this.name, as_this.state))
    };
    html! {
        "on "
        @for (number, of) in images.iter().filter(stands_so).enumerate() {
            @if number > 0 { ", " } (name(&of.platform.to_string()))
        }
    }
}
