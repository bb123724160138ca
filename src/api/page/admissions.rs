//! The pods that the admission webhook did not simply allow lately.

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::lately::Lately;
use super::text::name;
use crate::record::decision::Decision;
use crate::record::{AdmissionRecord, Topic};

/// Rows of the view.
const ROWS: usize = 200;
/// Reasons that one cell names.
const NAMED: usize = 4;

pub(super) async fn admissions(api: Asking) -> Shown {
    api.only_now(&[])?;
    let lately = Lately::<AdmissionRecord>::of(Topic::Admissions, &api).await?;
    let (judged, look) = (&lately.events, api.look());
    let content = html! {
        h1 { "What the webhook did not simply allow in the last day" }
        @if judged.is_empty() {
            p { "Nothing. The webhook records pods that it denies, warns of, or admits against a policy with the action " code { "Audit" } "." }
        } @else {
            (lately.rest(ROWS, Topic::Admissions))
            div.scroll { table {
                thead { tr { th { "When" } th { "What" } th { "Decision" } th { "By" } th.wide { "Reasons" } } }
                tbody { @for (_, of) in judged.iter().take(ROWS) { tr {
                    td { (look.ago(of.time)) @if of.times > 1 { span.faint { ", " (of.times) " times" } } }
                    td { (name(&of.key())) }
                    td.outdated[of.decision == Decision::Deny] { (told(of.decision)) }
                    td { (name(&of.user)) }
                    td { (reasons(of)) }
                } } }
            } }
        }
    };
    Ok(api.view_of_the_present("Admissions".to_owned(), content))
}

fn told(decision: Decision) -> &'static str {
    match decision {
        Decision::Deny => "denied",
        Decision::Warn => "admitted with a warning",
        Decision::Audit => "admitted and counted",
        Decision::Allow => "admitted",
    }
}

fn reasons(of: &AdmissionRecord) -> Markup {
    html! {
        @for finding in of.findings.iter().take(NAMED) {
            div.reason {
                (name(&finding.judgement.policy)) ": " bdi { (finding.judgement.message) }
                span.faint { " " (name(&finding.container)) " asks for " (name(&finding.image)) }
            }
        }
        @if of.findings.len() > NAMED || of.more > 0 { span.faint { "and others" } }
    }
}
