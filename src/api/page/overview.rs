//! The first view: every class, what is outdated for longest, and how complete the answers are.

use axum::extract::Query as Params;
use maud::{Markup, html};

use super::asking::Asking;
use super::tables::image_rows;
use super::text::{ago, class, href, many};
use super::timeline::{Axis, drawing};
use super::{AtParams, Shown};
use crate::oci::Timestamp;
use crate::query::answer::{ClassItem, CoverageReport, ImageItem, List};

/// Images in the list of those that are outdated for longest.
const LONGEST: usize = 10;

pub(super) async fn overview(api: Asking, Params(AtParams { at }): Params<AtParams>) -> Shown {
    let at = at.filter(|at| !at.is_empty());
    let of_time = [("at", at.as_deref())];
    let classes: List<ClassItem> = api.get("/v1/classes", &of_time).await?;
    let coverage: CoverageReport = api.get("/v1/coverage", &of_time).await?;
    let limit = LONGEST.to_string();
    let parameters =
        [("sort", Some("outdated")), ("tagged", Some("true")), ("limit", Some(&limit)), of_time[0]];
    let longest: List<ImageItem> = api.get("/v1/images", &parameters).await?;
    let content = shown(&classes.items, &coverage, &longest.items, at.as_deref(), Timestamp::now());
    Ok(api.view("Overview".to_owned(), at.as_deref(), content))
}

fn shown(
    classes: &[ClassItem],
    coverage: &CoverageReport,
    longest: &[ImageItem],
    at: Option<&str>,
    now: Timestamp,
) -> Markup {
    let outdated: u64 = classes.iter().map(|class| class.status.outdated).sum();
    let axis = Axis::of(classes.iter().map(|class| &class.status), now);
    let (from, to) = axis.ends();
    let mut by_outdated: Vec<&ClassItem> = classes.iter().collect();
    by_outdated.sort_by_key(|class| std::cmp::Reverse(class.status.outdated));
    html! {
        h1 { "Overview" }
        ul.figures {
            li { b { (coverage.total.images) } "images" }
            li { b { (coverage.total.member) } "in a class" }
            li { b.outdated[outdated > 0] { (outdated) } "outdated memberships" }
            li { b { (coverage.total.known_base) } "on a known image that no class follows" }
            li { b { (coverage.total.claimed) } "with claims alone" }
            li { b { (coverage.total.unknown) } "of which nothing is known" }
        }
        h2 { "Classes" }
        @if classes.is_empty() {
            p { "There is no class yet. A class follows the tag of a base image; this declares one:" }
            pre { code { "clade apply -f - <<EOF\napiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {name: debian}\nspec: {from: {kind: DockerImage, name: 'debian:stable'}}\nEOF" } }
        } @else {
            div.scroll { table {
                thead { tr {
                    th { "Class" } th.wide { "Versions from " (ago(from, now)) " to " @if to < now { (ago(to, now)) } @else { "now" } } th { "Moved" }
                    th.number { "Members" } th.number { "Outdated" } th { "Tags on old versions" }
                } }
                tbody { @for item in by_outdated { (row(item, axis, at, now)) } }
            } }
        }
        @if !longest.is_empty() {
            h2 { "Outdated for longest, with a tag" }
            (image_rows(longest, at, now))
            p { a href=(href("/images", &[("sort", Some("outdated")), ("tagged", Some("true")), ("at", at)])) { "All of them" } }
        }
    }
}

fn row(item: &ClassItem, axis: Axis, at: Option<&str>, now: Timestamp) -> Markup {
    let (name, status) = (&item.metadata.name, &item.status);
    let problem = status.conditions.iter().find(|condition| condition.status != "True");
    html! {
        tr {
            td { (class(name, at)) @if let Some(problem) = problem { br; span.outdated { bdi { (problem.message) } } } }
            td { (drawing(status, axis)) }
            td { @if let Some(since) = status.current.as_ref().and_then(|current| current.since) { (ago(since, now)) } }
            td.number { (status.members) }
            td.number.outdated[status.outdated > 0] { (status.outdated) }
            td { a href=(href("/tags", &[("class", Some(name)), ("state", Some("outdated")), ("at", at)])) title=(many(status.outdated, "outdated image")) { "Show" } }
        }
    }
}
