//! The view of what a rebuild of a class would do. A view of its own: the plan is made anew each time, and reads all
//! BuildConfigs.

use axum::extract::Path;
use maud::{Markup, html};
use serde_json::json;

use super::Shown;
use super::asking::Asking;
use super::text::{class, name, tag};
use super::waves::{Step, target, waves};
use super::words::many;
use crate::plan::Plan;

/// Problems and tags that are named.
const NAMED: usize = 100;

pub(super) async fn plan(Path(class_name): Path<String>, api: Asking) -> Shown {
    api.only_now(&[])?;
    let plan: Plan = api.post("/v1/rebuilds/plan", &json!({ "class": class_name })).await?;
    let content = html! {
        h1 { "A rebuild of " (class(&class_name, api.look())) }
        ul.figures {
            li { b { (plan.cost.builds) } "builds that clade would start" }
            li { b { (plan.cost.triggered) } "builds that triggers would start" }
            li { b { (plan.cost.waves) } "waves" }
            li { b.outdated[!plan.problems.is_empty()] { (plan.problems.len()) } "that need a rebuild and cannot be rebuilt" }
            li { b { (plan.cost.other_tags) } "outdated tags that no BuildConfig builds" }
        }
        @if plan.targets.is_empty() {
            p { "A rebuild would build nothing: no BuildConfig that clade knows is built on an outdated version of the class. clade builds where "
                "OpenShift does (" code { "clade run --kubernetes" } "); for others it can tell what to rebuild (" code { "--sink" } ")." }
        } @else {
            p { "Nothing is done by looking. This would:" }
            pre { code { "clade rebuild --class " (class_name) } }
            (waves(plan.targets.iter().map(Step::from)))
        }
        (problems(&plan))
        (others(&plan, &api))
    };
    Ok(api.view_of_the_present(format!("A rebuild of {class_name}"), content))
}

fn problems(plan: &Plan) -> Markup {
    html! {
        @if !plan.problems.is_empty() {
            h2 { "Cannot be rebuilt" }
            div.scroll { table {
                thead { tr { th { "Target" } th { "Why" } } }
                tbody { @for of in plan.problems.iter().take(NAMED) { tr {
                    td { (target(&of.target)) }
                    td { bdi { (of.message) } }
                } } }
            } }
            @if plan.problems.len() > NAMED { p.faint { "and " (plan.problems.len() - NAMED) " more" } }
        }
    }
}

/// Outdated tags that somebody else builds.
fn others(plan: &Plan, api: &Asking) -> Markup {
    let class = plan.request.class.as_str();
    let all = api.look().href("/tags", &[("class", class), ("state", "outdated")]);
    let more = (plan.cost.other_tags as usize).saturating_sub(plan.others.len());
    html! {
        @if !plan.others.is_empty() {
            h2 { "Outdated, and built by no BuildConfig" }
            ul.tags { @for of in &plan.others { li { (tag(of, api.look())) } } }
            @if more > 0 { p { "and " a href=(all) { (many(more as u64, "other tag")) } } }
        }
        @if let Some(current) = plan.basis.current {
            p.faint { "Planned for the version " (name(&current.short())) @if let Some(since) = plan.basis.since { ", which is current since " (api.look().ago(since)) } "." }
        }
    }
}
