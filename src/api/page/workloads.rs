//! The table of what runs.

use std::collections::BTreeMap;

use itertools::Itertools as _;
use maud::{Markup, html};

use super::asking::Asking;
use super::frame::Failed;
use super::listed::{Field, asked, filter, listed};
use super::look::Look;
use super::text::{class, name};
use super::{Answer, Shown, csv};
use crate::query::answer::{List, WorkloadImageItem, WorkloadItem, WorkloadStanding};

/// Images and classes that one cell names.
const NAMED: usize = 4;
/// Workloads that are asked for at once for a file.
const PAGE: &str = "1000";
/// Pages of a file, at most: what is written is held in memory until it is sent.
const MOST_PAGES: usize = 100;

const FIELDS: &[Field] = &[
    Field("class", "Class", &[]),
    Field("group", "Group", &[]),
    Field("state", "State", &["current", "outdated"]),
    Field("namespace", "Namespace", &[]),
    Field("unknown", "Never seen", &["true", "false"]),
];

pub(super) async fn workloads(api: Asking) -> Shown {
    let list: List<WorkloadItem> = api.get("/v1/workloads", &asked(api.look())).await?;
    let look = api.look();
    let title =
        look.get("ref").map_or_else(|| "Workloads".to_owned(), |of| format!("Workloads that run {of}"));
    let has_conditions = look.given().keys().any(|name| name != "limit");
    let content = if list.items.is_empty() && !has_conditions {
        html! { h1 { (title) } (filter(FIELDS, look)) (turn_on()) }
    } else {
        html! {
            (listed(&title, FIELDS, look, &list, &rows(&list.items, look)))
            @if !list.items.is_empty() { p { a href=(look.same_at("/workloads.csv")) download { "Download as CSV" } } }
        }
    };
    Ok(api.view_of_the_present(title, content))
}

/// The whole table for a spreadsheet: a row for each class of a workload, and one for a workload of no class.
pub(super) async fn file(api: Asking) -> Answer {
    let mut parameters: BTreeMap<&str, String> = asked(api.look());
    parameters.insert("limit", PAGE.to_owned());
    let mut rows = Vec::new();
    for _ in 0..MOST_PAGES {
        let list: List<WorkloadItem> = api.get("/v1/workloads", &parameters).await?;
        rows.extend(list.items.iter().flat_map(records));
        let Some(token) = list.metadata.token else {
            let head = [
                "namespace",
                "kind",
                "name",
                "pods",
                "class",
                "state",
                "outdated since",
                "never seen",
                "images",
            ];
            return csv::file("workloads.csv", head, rows.into_iter());
        };
        parameters.insert("continue", token);
    }
    Err(Failed::invalid("these are too many workloads for one file: choose a class or a namespace"))
}

fn records(of: &WorkloadItem) -> Vec<[String; 9]> {
    let images = counting(of).map(|image| &image.asked).unique().join(" ");
    let record = |standing: Option<&WorkloadStanding>| {
        let since = standing.and_then(|standing| standing.outdated_since);
        [
            of.namespace.clone(),
            of.kind.clone(),
            of.name.clone(),
            of.pods.to_string(),
            standing.map(|standing| standing.name.clone()).unwrap_or_default(),
            standing.map(|standing| standing.state.to_string()).unwrap_or_default(),
            since.map(|since| since.to_string()).unwrap_or_default(),
            of.unknown.to_string(),
            images.clone(),
        ]
    };
    if of.classes.is_empty() {
        return vec![record(None)];
    }
    of.classes.iter().map(|standing| record(Some(standing))).collect()
}

/// The images that count for a workload.
fn counting(of: &WorkloadItem) -> impl Iterator<Item = &WorkloadImageItem> {
    of.containers.iter().flat_map(|container| &container.images).filter(|image| image.counts)
}

/// Says how clade comes to know what runs.
pub(super) fn turn_on() -> Markup {
    html! {
        p { "No workload is known. clade follows what runs in a cluster if it is started with " code { "--kubernetes" }
            ". Without access from clade to the cluster, import what kubectl prints:" }
        pre { code { "kubectl get pods,replicasets,jobs,nodes,namespaces -A -o json > pods.json\nclade import pods.json" } }
    }
}

/// A namespace as a link to all that runs there.
pub(super) fn namespace(of: &str) -> Markup {
    // A pair of strings can always be written.
    let query = serde_urlencoded::to_string([("namespace", of)]).unwrap_or_default();
    html! { a href=(format!("/workloads?{query}")) { (name(of)) } }
}

/// Rows of workloads.
pub(super) fn rows(workloads: &[WorkloadItem], look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Workload" } th { "Kind" } th.number { "Pods" } th { "Images" } th { "Classes" } } }
            tbody { @for of in workloads { tr {
                td { (namespace(&of.namespace)) "/" (name(&of.name)) }
                td { (name(&of.kind)) }
                td.number { (of.pods) }
                td { (images(of, look)) }
                td { (standings(of, look)) }
            } } }
        } }
    }
}

fn images(of: &WorkloadItem, look: &Look) -> Markup {
    let images: Vec<&WorkloadImageItem> =
        counting(of).unique_by(|image| (&image.asked, image.running)).collect();
    let more = images.len().saturating_sub(NAMED) as u64 + of.omitted;
    html! {
        @for of in images.iter().take(NAMED) {
            @match of.images.first() {
                Some(digest) => { a href=(look.href("/explain", &[("ref", &digest.to_string())])) { (name(&of.asked)) } }
                None => {
                    (name(&of.asked)) " " span.outdated title=[of.pull.as_ref().map(|pull| format!("a registry serves it as {pull}"))] { "never seen by clade" }
                }
            }
            @if of.running.is_none() { span.faint { " not started" } }
            br;
        }
        @if more > 0 { span.faint { "and " (more) " more" } }
    }
}

fn standings(of: &WorkloadItem, look: &Look) -> Markup {
    html! {
        @for of in of.classes.iter().take(NAMED) {
            span class=(of.state.to_string()) { (class(&of.name, look)) " " (of.state.to_string())
                @if let Some(since) = of.outdated_since { " since " (look.ago(since)) } } br;
        }
        @if of.classes.len() > NAMED { span.faint { "and " (of.classes.len() - NAMED) " more" } }
    }
}
