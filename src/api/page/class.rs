//! The view of a class: its versions, who uses it, and which tags are outdated.

use axum::extract::Path;
use maud::{Markup, html};

use super::asking::Asking;
use super::audit::entries_of;
use super::frame::Failed;
use super::look::Look;
use super::running;
use super::tables::tag_rows;
use super::text::{class_path, image, name};
use super::timeline::{Axis, drawing, versions};
use super::{Answer, Shown, csv};
use crate::query::answer::{ClassItem, List, RepositoryUsage, TagItem, Usage};

/// Repositories and tags in the view.
const ROWS: usize = 20;
const TAGS: &str = "20";

pub(super) async fn class(Path(class): Path<String>, api: Asking) -> Shown {
    api.only(&[])?;
    let mut found: List<ClassItem> = api.get("/v1/classes", &[("name", &class)]).await?;
    let Some(item) = found.items.pop() else { return Err(Failed::internal("the class is gone")) };
    let usage: Usage = api.get("/v1/usage", &[("class", class.as_str()), ("tags", "false")]).await?;
    let parameters = [("class", class.as_str()), ("state", "outdated"), ("limit", TAGS)];
    let outdated: List<TagItem> = api.get("/v1/tags", &parameters).await?;
    let running = running::of_class(&item, &api).await;
    let trail = if api.has_trail() {
        entries_of("class", &class)
    } else {
        html! {}
    };
    let content = shown(&item, usage, &outdated.items, (&running, &trail), api.look());
    Ok(api.view(format!("Class {class}"), content))
}

fn shown(
    item: &ClassItem,
    usage: Usage,
    outdated: &[TagItem],
    (running, trail): (&Markup, &Markup),
    look: &Look,
) -> Markup {
    let (class, status) = (&item.metadata.name, &item.status);
    let mut repositories = usage.repositories;
    repositories.sort_by(|a, b| b.outdated.cmp(&a.outdated).then_with(|| a.name.cmp(&b.name)));
    let of_class = |path: &str, state: Option<&str>| {
        let state = state.map(|state| ("state", state));
        let parameters: Vec<_> = [("class", class.as_str())].into_iter().chain(state).collect();
        look.href(path, &parameters)
    };
    html! {
        h1 { "Class " (name(class)) }
        p { "It follows " bdi { code { @if let Some(namespace) = &item.spec.from.namespace { (namespace) "/" } (item.spec.from.name) } }
            @for condition in &status.conditions { "; " (condition.kind) ": " (condition.status) " (" bdi { (condition.message) } ")" } "." }
        ul.figures {
            li { b { (status.members) } a href=(of_class("/images", None)) { "images" } }
            li { b.outdated[status.outdated > 0] { (status.outdated) } a href=(of_class("/images", Some("outdated"))) { "outdated" } }
            li { b { (repositories.len()) } "repositories" }
            li { b { (usage.namespaces.len()) } "namespaces" }
            @if let (Some(all), Some(outdated)) = (status.running, status.running_outdated) {
                li { b { (all) } a href=(running::address(class, None)) { "workloads run it" } }
                li { b.outdated[outdated > 0] { (outdated) } a href=(running::address(class, Some("outdated"))) { "run an outdated one" } }
            }
        }
        p {
            "Its members by their " a href=(of_class("/tags", None)) { "tags" }
            // Plans are of the present.
            @if look.at().is_none() { " · " a href=(format!("{}/rebuild", class_path(class))) { "What a rebuild would do" } }
        }
        h2 { "Versions" }
        (drawing(status, Axis::of(std::iter::once(status), look.now()), look))
        div.scroll { table {
            thead { tr { th { "Version" } th { "Since" } th { "Until" } th { "Origin" } th { "Images" } th.number { "Members" } } }
            tbody { @for (version, is_current) in versions(status) { tr {
                td.current[is_current] { (version.digest.short()) @if is_current { " current" } }
                td { @if let Some(since) = version.since { (look.ago(since)) } @else { "unknown" } }
                td { @if let Some(until) = version.until.filter(|_| !is_current) { (look.ago(until)) } }
                td { (version.origin.as_str()) @if let Some(tag) = &version.tag { " " (name(tag)) } }
                td { @for of in &version.images { (image(&of.digest, look)) " " (name(&of.platform.to_string())) br; } }
                td.number { (version.members) }
            } } }
        } }
        h2 { "Tags on an outdated version" }
        @if outdated.is_empty() { p.current { "There is none." } } @else {
            (tag_rows(outdated, look))
            p { a href=(of_class("/tags", Some("outdated"))) { "All of them" } }
        }
        (running)
        // Plans and rebuilds are of the present.
        @if look.at().is_none() {
            h2 { "Rebuilds" }
            p { a href=(look.href("/rebuilds", &[("class", class)])) { "Those that were made" } }
        }
        h2 { "Repositories" }
        (table_of(&repositories, class, look))
        p { a href=(look.href(&format!("{}/usage.csv", class_path(class)), &[])) download { "Download as CSV" } }
        p { (trail) }
        @if look.at().is_none() { (live(class)) }
    }
}

/// The place of what happens while somebody looks. The script shows it.
fn live(class: &str) -> Markup {
    let query = serde_urlencoded::to_string([("class", class)]).unwrap_or_default();
    html! {
        section hidden data-follow=(format!("/v1/subscribe/outdated?{query}")) {
            h2 { "What happens now" }
            p.faint { "Images that enter or leave the class, or become outdated or current in it, the last first." }
            ol.events {}
        }
    }
}

fn table_of(repositories: &[RepositoryUsage], class: &str, look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Repository" } th.number { "Images" } th.number { "Outdated" } } }
            tbody { @for of in repositories.iter().take(ROWS) { tr {
                td { a href=(look.href("/images", &[("class", class), ("repository", &of.name)])) { (name(&of.name)) } }
                td.number { (of.images) } td.number.outdated[of.outdated > 0] { (of.outdated) }
            } } }
        } }
        @if repositories.len() > ROWS { p.faint { "These are the first " (ROWS) " of " (repositories.len()) ", those with the most outdated images first." } }
    }
}

/// The usage of a class for the licence report.
pub(super) async fn usage(Path(class): Path<String>, api: Asking) -> Answer {
    api.only(&[])?;
    let usage: Usage = api.get("/v1/usage", &[("class", &class)]).await?;
    let row = |of: &RepositoryUsage| {
        [
            of.name.clone(),
            of.images.to_string(),
            of.outdated.to_string(),
            of.tags.unwrap_or_default().to_string(),
        ]
    };
    csv::file("usage.csv", ["repository", "images", "outdated", "tags"], usage.repositories.iter().map(row))
}
