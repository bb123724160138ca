//! The views of rebuilds: all of them, and one with its waves.

use axum::extract::Path;
use maud::{Markup, html};

use super::Shown;
use super::asking::{Asking, NOTHING};
use super::audit::entries_of;
use super::frame::Failed;
use super::listed::{Field, filter};
use super::look::Look;
use super::text::{class, in_path, name};
use super::waves::{Step, target, waves};
use crate::query::answer::List;
use crate::rebuilder::RebuildItem;
use crate::record::TargetRecord;
use crate::record::rebuild::RebuildState;

/// Rows of a page.
const ROWS: usize = 100;

const STATES: &[&str] = &["Running", "Paused", "Stopped", "Cancelled", "Finished"];
const FIELDS: &[Field] = &[Field("class", "Class", &[]), Field("state", "State", STATES)];

pub(super) async fn rebuilds(api: Asking) -> Shown {
    api.only_now(&["class", "state", "continue"])?;
    let look = api.look();
    if let Some(state) = look.get("state").filter(|state| !STATES.contains(state)) {
        return Err(Failed::invalid(format!("state {state:?}: write one of {}", STATES.join(", "))));
    }
    let list: List<RebuildItem> = api.get("/v1/rebuilds", &NOTHING).await?;
    let rest = rest(&list.items, look)?;
    let content = html! {
        h1 { "Rebuilds" }
        @if list.items.is_empty() { (none()) } @else { (filter(FIELDS, look)) (table(&rest, look)) }
    };
    Ok(api.view_of_the_present("Rebuilds".to_owned(), content))
}

fn none() -> Markup {
    html! {
        p { "Nothing was rebuilt yet. The view of a class leads to what a rebuild of it would do. A clade that works with the cluster "
            "(" code { "clade run --kubernetes" } ") begins one with this, or by itself where the class says so:" }
        pre { code { "clade rebuild --class debian --reason CVE-2016-5195 --server http://127.0.0.1:7878" } }
    }
}

/// The rebuilds that meet the conditions, after the last one of the page before.
fn rest<'a>(rebuilds: &'a [RebuildItem], look: &Look) -> Result<Vec<&'a RebuildItem>, Failed> {
    let holds = |name: &str, value: &str| look.get(name).is_none_or(|asked| asked == value);
    let is_meant = |of: &&RebuildItem| {
        holds("class", &of.record.request.class) && holds("state", &of.record.state.to_string())
    };
    let after = match look.get("continue") {
        None => 0,
        Some(last) => {
            let at = rebuilds.iter().position(|of| of.record.id == last);
            at.ok_or_else(|| {
                Failed::invalid("continue: there is no such rebuild any more; begin with the first page")
            })? + 1
        }
    };
    Ok(rebuilds.iter().skip(after).filter(is_meant).collect())
}

fn table(meant: &[&RebuildItem], look: &Look) -> Markup {
    let last = meant.get(ROWS - 1).filter(|_| meant.len() > ROWS);
    html! {
        @if meant.is_empty() { p { "Nothing meets these conditions." } } @else {
            div.scroll { table {
                thead { tr {
                    th { "Rebuild" } th { "Class" } th { "State" } th { "Begun" } th { "By" }
                    th.number { "Waves" } th.number { "Targets" } th.number { "Built" } th.number { "Under way" } th.number { "Failed" } th.number { "Not built" }
                } }
                tbody { @for of in meant.iter().take(ROWS) { (row(of, look)) } }
            } }
        }
        @if let Some(last) = last {
            p { a href=(look.with(&[("continue", &last.record.id)])) rel="next" { "Next page" } span.faint { " " (meant.len() - ROWS) " more" } }
        }
    }
}

fn row(of: &RebuildItem, look: &Look) -> Markup {
    let RebuildItem { record, progress, .. } = of;
    html! { tr {
        td { a href=(look.href(&format!("/rebuilds/{}", in_path(&record.id)), &[])) { (name(&record.id)) } }
        td { (class(&record.request.class, look)) }
        td class=(tone(record.state)) { (record.state) }
        td { (look.ago(record.created)) }
        td { (by(of)) }
        td.number { (record.waves) }
        td.number { (record.targets) }
        td.number { (progress.succeeded) }
        td.number { (progress.running + progress.waiting) }
        td.number.outdated[progress.failed > 0] { (progress.failed) }
        td.number { (progress.skipped) }
    } }
}

/// The class of a state in the sheet.
fn tone(state: RebuildState) -> &'static str {
    match state {
        RebuildState::Finished => "current",
        RebuildState::Stopped => "outdated",
        RebuildState::Running | RebuildState::Paused | RebuildState::Cancelled => "",
    }
}

fn by(of: &RebuildItem) -> Markup {
    html! {
        @match &of.record.request.requested_by {
            Some(who) => (name(who)),
            None if of.record.automatic => "the policy of the class",
            None => "a command",
        }
    }
}

pub(super) async fn rebuild(Path(id): Path<String>, api: Asking) -> Shown {
    api.only_now(&[])?;
    let of: RebuildItem = api.get(&["/v1/rebuilds", &in_path(&id)].join("/"), &NOTHING).await?;
    let (look, record) = (api.look(), &of.record);
    let has_trail = api.has_trail();
    let left_out: Vec<&TargetRecord> = of.items.iter().filter(|of| of.wave == 0).collect();
    let content = html! {
        h1 { "Rebuild " (name(&id)) }
        p { "Of " (class(&record.request.class, look)) ", begun " (look.ago(record.created)) " by " (by(&of))
            @if let Some(reason) = &record.request.reason { ": " (name(reason)) } }
        p { b class=(tone(record.state)) { (record.state) } @if !record.message.is_empty() { ": " bdi { (record.message) } }
            span.faint { " (" (look.ago(record.updated)) ")" } }
        ul.figures {
            li { b { (of.progress.succeeded) } "built" }
            li { b { (of.progress.running) } "under way" }
            li { b { (of.progress.waiting) } "waiting" }
            li { b.outdated[of.progress.failed > 0] { (of.progress.failed) } "failed" }
            li { b { (of.progress.skipped) } "not built" }
        }
        (waves(of.items.iter().map(Step::from)))
        @if !left_out.is_empty() {
            h2 { "In no wave" }
            div.scroll { table {
                thead { tr { th { "Target" } th { "State" } th { "Why" } } }
                tbody { @for of in left_out.iter().take(ROWS) { tr {
                    td { (target(&of.target)) } td { (of.state) } td { bdi { (of.message) } }
                } } }
            } }
            @if left_out.len() > ROWS { p.faint { "and " (left_out.len() - ROWS) " more" } }
        }
        @if has_trail { p { (entries_of("rebuild", &id)) } }
    };
    Ok(api.view_of_the_present(format!("Rebuild {id}"), content))
}
