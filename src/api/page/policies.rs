//! The view of policies: what each requires of what runs, and the workloads that it does not allow.

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::listed::{Field, filter};
use super::look::Look;
use super::required::{judges, requires};
use super::text::name;
use super::verdicts::{self, Part};
use super::workloads::turn_on;
use crate::query::answer::{List, PolicyItem};
use crate::query::{NamedPolicy, VerdictCounts, WorkloadVerdicts, WorkloadsRequest};

const FIELDS: &[Field] = &[
    Field("policy", "Policy", &[]),
    Field("namespace", "Namespace", &[]),
    Field("verdict", "Verdict", &["violating", "unknown", "exempt"]),
];

pub(super) async fn policies(api: Asking) -> Shown {
    api.only_now(&["policy", "namespace", "verdict", "continue"])?;
    let look = api.look();
    let asked = Part::of(look)?;
    let only: Vec<_> = look.get("policy").map(|name| ("name", name)).into_iter().collect();
    let policies: List<PolicyItem> = api.get("/v1/policies", &only).await?;
    if policies.items.is_empty() {
        return Ok(api.view_of_the_present("Policies".to_owned(), none()));
    }
    // Only an answer about one policy has all that this policy does not allow: it has at most a thousand workloads.
    let named = look.get("policy").map(|_| policies.items.iter().map(as_asked).collect());
    let namespace = look.get("namespace").map(str::to_owned);
    let request = WorkloadsRequest { policies: named, namespace, began_since: None };
    let judged = api.post::<WorkloadVerdicts>("/v1/workloads/verdicts", &request).await;
    let content = html! {
        h1 { "Policies" }
        (filter(FIELDS, look))
        p { a href="/admissions" { "What the webhook did not simply allow in the last day" } }
        @match &judged {
            Ok(verdicts) => {
                (table(&policies.items, Some(verdicts), look))
                (details(&policies.items))
                @if verdicts.counts.all() == 0 && verdicts.unjudged == 0 && look.get("namespace").is_none() {
                    (turn_on())
                } @else {
                    (verdicts::list(verdicts, &asked, look))
                }
            }
            // Whoever may not ask what runs may still see the policies.
            Err(failed) => { (table(&policies.items, None, look)) (details(&policies.items)) (failed.in_place()) }
        }
    };
    Ok(api.view_of_the_present("Policies".to_owned(), content))
}

fn as_asked(policy: &PolicyItem) -> NamedPolicy {
    NamedPolicy { name: policy.metadata.name.clone(), spec: policy.spec.clone() }
}

fn none() -> Markup {
    html! {
        h1 { "Policies" }
        p { "There is no policy yet. A policy says what the images of pods must be built on; this declares one that only counts:" }
        pre { code { "clade apply -f - <<EOF\napiVersion: clade.dev/v1alpha1\nkind: ClassPolicy\nmetadata: {name: vendor-only}\nspec: {require: {classes: [debian], state: Current}, action: Audit}\nEOF" } }
    }
}

fn table(policies: &[PolicyItem], verdicts: Option<&WorkloadVerdicts>, look: &Look) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Policy" } th { "Action" } th { "Requires" }
                th.number { "Judged" } th.number { "Allowed" } th.number { "Exempt" } th.number { "Unknown" } th.number { "Violating" }
            } }
            tbody { @for policy in policies {
                @let name_of = &policy.metadata.name;
                @let counts = verdicts.map(|of| of.policies.get(name_of).copied().unwrap_or_default());
                tr {
                    td { (name(name_of)) (problem(policy)) }
                    td { (format!("{:?}", policy.spec.action)) }
                    td { (requires(policy, look)) }
                    (numbers(name_of, counts, look))
                }
            } }
        } }
        @if let Some(unjudged) = verdicts.map(|of| of.unjudged).filter(|unjudged| *unjudged > 0) {
            p.faint { "No policy judges " (unjudged) " of the workloads." }
        }
    }
}

/// The reason why a policy neither allows nor denies, if it does not.
fn problem(policy: &PolicyItem) -> Markup {
    let problem = policy.status.conditions.iter().find(|condition| condition.status != "True");
    html! { @if let Some(problem) = problem { br; span.outdated { bdi { (problem.message) } } } }
}

/// The numbers of a policy, as links to what is counted. Nothing but the policies is known to whoever may not ask what runs.
fn numbers(policy: &str, counts: Option<VerdictCounts>, look: &Look) -> Markup {
    let namespace = look.get("namespace").map(|namespace| ("namespace", namespace));
    let link = |verdict: &str, number: u64| {
        let parameters: Vec<_> =
            [("policy", policy), ("verdict", verdict)].into_iter().chain(namespace).collect();
        html! { @if number == 0 { "0" } @else { a href=(look.href("/policies", &parameters)) { (number) } } }
    };
    html! {
        @match counts {
            Some(counts) => {
                td.number { (counts.all()) }
                td.number { (counts.allowed) }
                td.number { (link("exempt", counts.exempt)) }
                td.number { (link("unknown", counts.unknown)) }
                td.number.outdated[counts.violating > 0] { (link("violating", counts.violating)) }
            }
            None => { @for _ in 0..5 { td.number.faint { "–" } } }
        }
    }
}

/// The parts of policies that have no room in a table.
fn details(policies: &[PolicyItem]) -> Markup {
    html! {
        @for policy in policies {
            @if let Some(more) = judges(&policy.spec) {
                details { summary { "Selectors and exemptions of " (name(&policy.metadata.name)) } (more) }
            }
        }
    }
}
