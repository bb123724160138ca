//! The part of a view that says what runs. Nothing is kept of what ran before, so views of the past have no such part.

use maud::{Markup, html};

use super::asking::Asking;
use super::frame::Failed;
use super::workloads::{rows, turn_on};
use crate::query::answer::{ClassItem, List, WorkloadItem};

/// Workloads that a part names.
const NAMED: &str = "10";

/// The address of the table of workloads that run a class. It is of the present.
pub(super) fn address(class: &str, state: Option<&str>) -> String {
    let state = state.map(|state| ("state", state));
    let parameters: Vec<_> = [("class", class)].into_iter().chain(state).collect();
    // Pairs of strings can always be written.
    format!("/workloads?{}", serde_urlencoded::to_string(parameters).unwrap_or_default())
}

/// The workloads that run an outdated image of a class.
pub(super) async fn of_class(class: &ClassItem, api: &Asking) -> Markup {
    if api.look().at().is_some() {
        return html! {};
    }
    let name = &class.metadata.name;
    let list = match class.status.running_outdated {
        Some(0) => Ok(List::new(Vec::new())),
        Some(_) => ask(&[("class", name), ("state", "outdated"), ("limit", NAMED)], api).await,
        None => return html! { h2 { "Running on an outdated version" } (turn_on()) },
    };
    html! {
        h2 { "Running on an outdated version" }
        @match list {
            Err(failed) => (failed.in_place()),
            Ok(list) if list.items.is_empty() => { p.current { "No workload does." } }
            Ok(list) => {
                (rows(&list.items, api.look()))
                @if list.metadata.token.is_some() { p { a href=(address(name, Some("outdated"))) { "All of them" } } }
            }
        }
    }
}

/// The workloads that run an image of a REF.
pub(super) async fn of_image(reference: &str, api: &Asking) -> Markup {
    if api.look().at().is_some() {
        return html! {};
    }
    let list = ask(&[("ref", reference), ("limit", NAMED)], api).await;
    // Where nothing is known, nothing is said.
    let is_any_known = match &list {
        Ok(list) if list.items.is_empty() => {
            ask(&[("limit", "1")], api).await.is_ok_and(|of| !of.items.is_empty())
        }
        _ => true,
    };
    html! {
        h2 { "Running" }
        @match list {
            Err(failed) => (failed.in_place()),
            Ok(_) if !is_any_known => (turn_on()),
            Ok(list) if list.items.is_empty() => { p { "No workload runs it." } }
            Ok(list) => {
                (rows(&list.items, api.look()))
                @if list.metadata.token.is_some() {
                    p { a href=(api.look().href("/workloads", &[("ref", reference)])) { "All of them" } }
                }
            }
        }
    }
}

/// Tells of images that run and that clade has never seen, if there are any.
pub(super) async fn unseen(api: &Asking) -> Markup {
    if api.look().at().is_some() {
        return html! {};
    }
    let is_any = ask(&[("unknown", "true"), ("limit", "1")], api).await.is_ok_and(|of| !of.items.is_empty());
    html! {
        @if is_any {
            p.outdated { "Something runs that clade has never seen: " a href="/workloads?unknown=true" { "these workloads" } "." }
        }
    }
}

async fn ask(parameters: &[(&str, &str)], api: &Asking) -> Result<List<WorkloadItem>, Failed> {
    api.get("/v1/workloads", &parameters).await
}
