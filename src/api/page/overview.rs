//! The first view: every class, what is outdated for longest, and how complete the answers are.

use maud::{Markup, html};

use super::Shown;
use super::asking::{Asking, NOTHING};
use super::frame::Failed;
use super::letters;
use super::look::Look;
use super::running;
use super::tables::image_rows;
use super::text::class;
use super::timeline::{Axis, drawing, moved};
use super::words::span;
use crate::api::Status;
use crate::oci::Timestamp;
use crate::query::answer::{ClassItem, ClassStatus, CoverageReport, ImageItem, List};

/// Images in the list of those that are outdated for longest.
const LONGEST: &str = "10";
/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

pub(super) async fn overview(api: Asking) -> Shown {
    api.only(&[])?;
    let classes: List<ClassItem> = api.get("/v1/classes", &NOTHING).await?;
    let coverage: CoverageReport = api.get("/v1/coverage", &NOTHING).await?;
    let parameters = [("sort", "outdated"), ("tagged", "true"), ("limit", LONGEST)];
    let longest: List<ImageItem> = api.get("/v1/images", &parameters).await?;
    let parts = Parts { unseen: running::unseen(&api).await, moment: moment(&api).await };
    let content = shown(&classes.items, &coverage, &longest.items, &parts, api.look());
    Ok(api.view("Overview".to_owned(), content))
}

/// The parts that are about the present alone.
struct Parts {
    unseen: Markup,
    moment: Markup,
}

/// Figures that tell how complete the answers are at this moment.
async fn moment(api: &Asking) -> Markup {
    if api.look().at().is_some() {
        return html! {};
    }
    let letters = letters::number(api).await;
    let status: Result<Status, Failed> = api.at_this_moment("/v1/status", &NOTHING).await;
    let behind = match status {
        Err(failed) => html! { li { (failed.in_place()) } },
        Ok(Status { partitions, failure, .. }) => {
            let behind =
                partitions.iter().map(|of| of.behind_seconds).max_by_key(|of| of.unwrap_or(u64::MAX));
            html! {
                @match (failure, behind.flatten()) {
                    (Some(failure), _) => { li { b.outdated { "stopped" } bdi { (failure) } } }
                    (None, Some(0)) => { li { b { "up to date" } "with what is published" } }
                    (None, Some(seconds)) => { li { b.outdated { (span(seconds.cast_signed())) } "behind what is published" } }
                    (None, None) => { li { b.outdated { "reading" } "the log for the first time" } }
                }
            }
        }
    };
    let trail = if api.has_trail() {
        html! { li { b { a href="/audit" { "Audit" } } "what happened" } }
    } else {
        html! {}
    };
    html! { (letters) (behind) (trail) }
}

/// The members of versions of a class that another has replaced in the last day.
fn outdated_in_a_day(of: &ClassStatus, now: Timestamp) -> u64 {
    let is_of_the_day = |until: Timestamp| (0..DAY).contains(&(now.as_second() - until.as_second()));
    let replaced = of.history.iter().filter(|version| version.until.is_some_and(is_of_the_day));
    replaced.map(|version| version.members).sum()
}

fn shown(
    classes: &[ClassItem],
    coverage: &CoverageReport,
    longest: &[ImageItem],
    parts: &Parts,
    look: &Look,
) -> Markup {
    let runs = classes.iter().any(|class| class.status.running.is_some());
    let outdated: u64 = classes.iter().map(|class| class.status.outdated).sum();
    let lately: u64 = classes.iter().map(|class| outdated_in_a_day(&class.status, look.now())).sum();
    let axis = Axis::of(classes.iter().map(|class| &class.status), look.now());
    let mut by_outdated: Vec<&ClassItem> = classes.iter().collect();
    by_outdated.sort_by_key(|class| std::cmp::Reverse(class.status.outdated));
    html! {
        h1 { "Overview" }
        ul.figures {
            li { b { (coverage.total.images) } "images" }
            li { b { (coverage.total.member) } "in a class" }
            li { b.outdated[outdated > 0] { (outdated) } "outdated memberships" }
            li { b.outdated[lately > 0] { (lately) } "of them since yesterday" }
            li { b { (coverage.total.known_base) } "on a known image that no class follows" }
            li { b { (coverage.total.claimed) } "with claims alone" }
            li { b { (coverage.total.unknown) } "of which nothing is known" }
            (parts.moment)
        }
        (parts.unseen)
        h2 { "Classes" }
        @if classes.is_empty() {
            p { "There is no class yet. A class follows the tag of a base image; this declares one:" }
            pre { code { "clade apply -f - <<EOF\napiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {name: debian}\nspec: {from: {kind: DockerImage, name: 'debian:stable'}}\nEOF" } }
        } @else {
            div.scroll { table {
                thead { tr {
                    th { "Class" }
                    th.wide { "Versions" @if let Some((from, to)) = axis.ends() { " from " (look.ago(from)) " to " @if to < look.now() { (look.ago(to)) } @else { "now" } } }
                    th { "Moved" }
                    th.number { "Members" } th.number { "Outdated" } th { "Tags on old versions" }
                    @if runs { th.number { "Running" } th.number { "Running outdated" } }
                } }
                tbody { @for item in by_outdated { (row(item, axis, runs, look)) } }
            } }
        }
        @if !longest.is_empty() {
            h2 { "Outdated for longest, with a tag" }
            (image_rows(longest, look))
            p { a href=(look.href("/images", &[("sort", "outdated"), ("tagged", "true")])) { "All of them" } }
        }
    }
}

fn row(item: &ClassItem, axis: Axis, runs: bool, look: &Look) -> Markup {
    let (name, status) = (&item.metadata.name, &item.status);
    let lately = outdated_in_a_day(status, look.now());
    let problem = status.conditions.iter().find(|condition| condition.status != "True");
    html! {
        tr {
            td { (class(name, look)) @if let Some(problem) = problem { br; span.outdated { bdi { (problem.message) } } } }
            td { (drawing(status, axis, look)) }
            td { (moved(status, look)) }
            td.number { (status.members) }
            td.number.outdated[status.outdated > 0] {
                (status.outdated)
                @if lately > 0 { br; span.faint { "+" (lately) " since yesterday" } }
            }
            td { a href=(look.href("/tags", &[("class", name), ("state", "outdated")])) { "Show" } }
            @if runs {
                td.number { (running_of(name, None, status.running)) }
                td.number { (running_of(name, Some("outdated"), status.running_outdated)) }
            }
        }
    }
}

/// A number of workloads as a link to them.
fn running_of(class: &str, state: Option<&str>, number: Option<u64>) -> Markup {
    let number = number.unwrap_or_default();
    html! {
        @if number == 0 { "0" } @else { a.outdated[state.is_some()] href=(running::address(class, state)) { (number) } }
    }
}
