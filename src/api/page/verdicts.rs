//! The workloads that policies do not allow, with the reasons, page by page.

use maud::{Markup, html};

use super::frame::Failed;
use super::look::Look;
use super::text::name;
use super::words::many;
use super::workloads::namespace;
use crate::policy::{ContainerVerdict, Judgement, Verdict};
use crate::query::{WorkloadVerdict, WorkloadVerdicts};

/// Rows of a page.
const ROWS: usize = 100;
/// Reasons that one cell names.
const NAMED: usize = 4;

/// The part of the workloads that is asked for.
pub(super) struct Part<'a> {
    verdict: Option<Verdict>,
    /// The key of the last workload of the page before.
    after: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// The part that the address of a view names.
    pub(super) fn of(look: &'a Look) -> Result<Self, Failed> {
        let verdict = |text: &str| {
            let known = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text);
            known.ok_or_else(|| {
                Failed::invalid(format!("verdict {text:?}: write violating, unknown or exempt"))
            })
        };
        Ok(Self { verdict: look.get("verdict").map(verdict).transpose()?, after: look.get("continue") })
    }

    fn has(&self, of: &WorkloadVerdict) -> bool {
        self.verdict.is_none_or(|verdict| verdict == of.verdict.verdict)
            && self.after.is_none_or(|after| of.key.as_str() > after)
    }
}

/// A page of these workloads, which stand by their keys.
pub(super) fn list(verdicts: &WorkloadVerdicts, part: &Part<'_>, look: &Look) -> Markup {
    let meant: Vec<&WorkloadVerdict> = verdicts.items.iter().filter(|of| part.has(of)).collect();
    let last = meant.get(ROWS - 1).filter(|_| meant.len() > ROWS);
    html! {
        h2 { "Workloads that are not simply allowed" }
        @if meant.is_empty() { p.current { "There is none." } } @else {
            div.scroll { table {
                thead { tr { th { "Workload" } th.number { "Pods" } th { "Verdict" } th { "Reasons" } } }
                tbody { @for of in meant.iter().take(ROWS) { tr {
                    td { (workload(&of.key)) }
                    td.number { (of.pods) }
                    td.outdated[of.verdict.verdict == Verdict::Violating] { (of.verdict.verdict.as_str()) }
                    td { (reasons(of)) }
                } } }
            } }
        }
        @if let Some(last) = last {
            p { a href=(look.with(&[("continue", &last.key)])) rel="next" { "Next page" } span.faint { " " (meant.len() - ROWS) " more" } }
        }
        @if verdicts.more > 0 {
            p.faint { "clade names the first of them only, and not " (many(verdicts.more, "other")) ": choose a policy or a namespace." }
        }
    }
}

/// A workload by its key, with its namespace as a link.
fn workload(key: &str) -> Markup {
    match key.split_once('/') {
        Some((of, rest)) => html! { (namespace(of)) "/" (name(rest)) },
        None => name(key),
    }
}

fn reasons<'a>(of: &'a WorkloadVerdict) -> Markup {
    let of_container = |container: &'a ContainerVerdict| {
        let judgements = container.judgements.iter().filter(|of| of.verdict != Verdict::Allowed);
        judgements.map(move |judgement| (container, judgement))
    };
    let reasons: Vec<(&ContainerVerdict, &Judgement)> =
        of.verdict.containers.iter().flat_map(of_container).collect();
    html! {
        @for (container, judgement) in reasons.iter().take(NAMED) {
            div.reason {
                (name(&judgement.policy)) ": " bdi { (judgement.message) }
                span.faint { " " (name(&container.container.name)) " runs " (name(&container.container.image)) }
            }
        }
        @if reasons.len() > NAMED { span.faint { "and " (reasons.len() - NAMED) " more" } }
    }
}
