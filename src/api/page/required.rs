//! A policy in words.

use maud::{Markup, html};

use super::look::Look;
use super::text::{class, name};
use crate::query::answer::PolicyItem;
use crate::record::ClassPolicy;
use crate::record::catalog::Selector;
use crate::record::policy::{OnUnknown, Proof, RequiredState};

/// Classes that are named.
const NAMED: usize = 10;

/// The classes that a policy requires one of, and the state and proof of the membership.
pub(super) fn requires(policy: &PolicyItem, look: &Look) -> Markup {
    let (require, there) = (&policy.spec.require, &policy.status.classes);
    html! {
        @match require.state { RequiredState::Current => "the current version of ", RequiredState::Any => "any version of " }
        @if there.len() > 1 { "one of " }
        // A class that is required and does not exist is named by the problem of the policy.
        @for (number, of) in there.iter().take(NAMED).enumerate() { @if number > 0 { ", " } (class(of, look)) }
        @if there.is_empty() { "no class that exists" }
        @if there.len() > NAMED { " and " (there.len() - NAMED) " more" }
        @if let Some(grace) = &require.grace { ", an outdated one for " bdi { (grace.as_str()) } }
        @if require.proof == Proof::Claims { ", by layers or by claims" }
    }
}

/// The pods that a policy judges, its classes by labels, and its exemptions; `None` if it has nothing of these.
pub(super) fn judges(policy: &ClassPolicy) -> Option<Markup> {
    let ClassPolicy { namespace_selector, object_selector, require, on_unknown, exempt, .. } = policy;
    let selectors: Vec<(&str, &Selector)> = [
        ("Namespaces", Some(namespace_selector)),
        ("Pods", Some(object_selector)),
        ("Classes", require.selector.as_ref()),
    ]
    .into_iter()
    .filter_map(|(of, selector)| Some((of, selector.filter(|of| **of != Selector::default())?)))
    .collect();
    if selectors.is_empty() && exempt.is_empty() && *on_unknown == OnUnknown::default() {
        return None;
    }
    Some(html! {
        dl {
            @for (of, selector) in selectors {
                dt { (of) " with the labels" }
                // A selector has no shorter form than its own that everybody knows.
                dd { code { bdi { (serde_json::to_string(selector).unwrap_or_default()) } } }
            }
            @if *on_unknown != OnUnknown::default() { dt { "Unknown images" } dd { (format!("{on_unknown:?}")) } }
            @for of in exempt {
                dt { "Exempt" @if let Some(until) = of.until { " until " (until) } }
                dd {
                    (name(&of.reason)) br;
                    span.faint {
                        @for repository in &of.repositories { (name(repository)) " " }
                        @for digest in &of.digests { code { (digest.short()) } " " }
                        @for workload in &of.workloads { (name(&format!("{}/{}/{}", workload.namespace, workload.kind, workload.name))) " " }
                    }
                }
            }
        }
    })
}
