//! The rules.

use core::cmp::Reverse;

use super::exempt::exemption;
use super::found::{Circumstances, Found, UNKNOWN, grace_ends, lasting, selects};
use super::words;
use super::{
    Claimed, ContainerVerdict, Decision, ImageFacts, Judgement, KnownImage, NotReady, PodVerdict, Standing,
    Subject, Verdict,
};
use crate::class::Catalog;
use crate::oci::Timestamp;
use crate::record::State;
use crate::record::policy::{Action, ClassPolicy, OnUnknown, PolicyRecord, Proof, Require, RequiredState};

/// Judges a pod by the policies that match it. `facts` has what is known of the image of each container, in the order of
/// the containers.
pub fn judge<'a>(
    policies: impl IntoIterator<Item = &'a PolicyRecord>,
    subject: &Subject,
    facts: &[ImageFacts],
    circumstances: Circumstances<'_>,
) -> PodVerdict {
    let mut ready = Vec::new();
    let mut not_ready = Vec::new();
    for policy in policies.into_iter().filter(|policy| matches(&policy.spec, subject)) {
        match readiness(&policy.spec, circumstances.catalog) {
            Ok(()) => ready.push(policy),
            Err(message) => {
                not_ready.push(NotReady { policy: policy.name.clone(), action: policy.spec.action, message });
            }
        }
    }
    let containers = subject.containers.iter().zip(facts).map(|(container, image)| {
        let judged = |policy: &&PolicyRecord| judged(policy, subject, image, circumstances);
        let judgements: Vec<Judgement> = ready.iter().map(judged).collect();
        let is_tag = !container.image.contains('@');
        ContainerVerdict {
            container: container.clone(),
            verdict: judgements.iter().map(|of| of.verdict).max().unwrap_or(Verdict::Allowed),
            digest: image.digest,
            pin: is_tag && image.digest.is_some() && ready.iter().any(|policy| policy.spec.pin),
            judgements,
        }
    });
    let containers: Vec<ContainerVerdict> = containers.collect();
    let judgements = || containers.iter().flat_map(|of| &of.judgements);
    PodVerdict {
        verdict: judgements().map(|of| of.verdict).max().unwrap_or(Verdict::Allowed),
        decision: judgements().map(|of| of.decision).max().unwrap_or(Decision::Allow),
        stale: ready.iter().any(|policy| is_stale(&policy.spec, circumstances)),
        containers,
        not_ready,
    }
}

/// Returns `true` if a policy judges this pod.
pub fn matches(policy: &ClassPolicy, subject: &Subject) -> bool {
    policy.namespace_selector.selects(&subject.namespace_labels)
        && policy.object_selector.selects(&subject.labels)
}

/// Checks that a policy selects a class that exists, at the cost of one class where there is one. The error says why none is.
fn readiness(policy: &ClassPolicy, catalog: &Catalog) -> Result<(), String> {
    let Require { classes, selector, .. } = &policy.require;
    let is_named = classes.iter().any(|name| catalog.class(name).is_some());
    let is_selected = || {
        selector
            .as_ref()
            .is_some_and(|selector| catalog.classes().any(|class| selector.selects(&class.record.labels)))
    };
    if is_named || is_selected() { Ok(()) } else { Err(words::no_class(policy)) }
}

fn is_stale(policy: &ClassPolicy, circumstances: Circumstances<'_>) -> bool {
    circumstances.behind.exceeds(policy.max_staleness.length())
}

fn judged(
    policy: &PolicyRecord,
    subject: &Subject,
    image: &ImageFacts,
    circumstances: Circumstances<'_>,
) -> Judgement {
    let spec = &policy.spec;
    // The worst image counts: the platform of the node decides which of them runs.
    let each = image.known.iter().map(|known| (Some(known), of_image(spec, known, circumstances)));
    let is_incomplete = !image.unknown.is_empty() || image.known.is_empty();
    let all: Vec<_> = each.chain(is_incomplete.then_some((None, UNKNOWN))).collect();
    // Any of them may become worse before the worst one does.
    let ends = all.iter().filter_map(|(_, found)| found.until).min();
    let (known, mut found) =
        all.into_iter().max_by_key(|(_, found)| found.verdict).unwrap_or((None, UNKNOWN));
    found.until = ends.filter(|_| found.verdict < Verdict::Violating);
    if found.verdict > Verdict::Exempt
        && let Some(exemption) = exemption(&spec.exempt, subject, image, circumstances.now)
    {
        return Judgement {
            policy: policy.name.clone(),
            verdict: Verdict::Exempt,
            decision: Decision::Allow,
            reason: "Exempt".to_owned(),
            message: words::exempt(exemption),
            class: None,
            until: exemption.until,
        };
    }
    if found.verdict == Verdict::Violating && is_stale(spec, circumstances) {
        (found.verdict, found.reason) = (Verdict::Unknown, "Stale");
    }
    Judgement {
        policy: policy.name.clone(),
        verdict: found.verdict,
        decision: decision(spec, found.verdict),
        reason: found.reason.to_owned(),
        message: words::message(policy, image, known, &found, circumstances),
        class: found.class.map(str::to_owned),
        until: found.until,
    }
}

fn decision(policy: &ClassPolicy, verdict: Verdict) -> Decision {
    let action = Decision::from(policy.action);
    match (verdict, policy.on_unknown) {
        (Verdict::Allowed | Verdict::Exempt, _) | (Verdict::Unknown, OnUnknown::Allow) => Decision::Allow,
        (Verdict::Violating, _) => action,
        (Verdict::Unknown, OnUnknown::Warn) => action.min(Decision::from(Action::Warn)),
        (Verdict::Unknown, OnUnknown::Deny) => action,
    }
}

/// The verdict on one known image, without exemptions.
fn of_image<'a>(policy: &ClassPolicy, image: &'a KnownImage, circumstances: Circumstances<'_>) -> Found<'a> {
    let selected = |class: &str| {
        let class = circumstances.catalog.class(class);
        class.is_some_and(|class| selects(&policy.require, &class.record))
    };
    let of_claims = |standing: &&Standing| standing.proven || policy.require.proof == Proof::Claims;
    let members = || image.memberships.iter().filter(|standing| selected(&standing.class));
    let proven = members().filter(of_claims).map(|of| of_membership(&policy.require, of, circumstances.now));
    let claims = image
        .claims
        .iter()
        .filter(|claimed| policy.require.proof == Proof::Claims && selected(&claimed.class));
    let claimed = claims.map(|of| of_claim(&policy.require, of, circumstances.now));
    // The best membership counts: the image must be built on one of the classes. Of equals it is the one that holds longest.
    let best = proven.chain(claimed).min_by_key(|found| (found.verdict, Reverse(lasting(found.until))));
    best.unwrap_or_else(|| {
        let only_claimed = members().next();
        Found {
            verdict: Verdict::Violating,
            reason: if only_claimed.is_some() { "OnlyClaimed" } else { "NotAMember" },
            class: only_claimed.map(|standing| standing.class.as_str()),
            standing: only_claimed,
            until: None,
        }
    })
}

fn of_membership<'a>(require: &Require, standing: &'a Standing, now: Timestamp) -> Found<'a> {
    let is_current = standing.state == State::Current;
    let (verdict, reason, until) = stands(require, is_current, standing.outdated_since, "Member", now);
    Found { verdict, reason, class: Some(&standing.class), standing: Some(standing), until }
}

fn of_claim<'a>(require: &Require, claimed: &'a Claimed, now: Timestamp) -> Found<'a> {
    let (verdict, reason, until) =
        stands(require, claimed.is_current, claimed.outdated_since, "Claimed", now);
    Found { verdict, reason, class: Some(&claimed.class), standing: None, until }
}

/// The verdict on a membership, its reason, and the time at which it ends by itself.
fn stands(
    require: &Require,
    is_current: bool,
    outdated_since: Option<Timestamp>,
    reason: &'static str,
    now: Timestamp,
) -> (Verdict, &'static str, Option<Timestamp>) {
    if is_current || require.state == RequiredState::Any {
        return (Verdict::Allowed, reason, None);
    }
    let ends = grace_ends(require, outdated_since);
    match ends.filter(|end| now < *end) {
        Some(end) => (Verdict::Allowed, "WithinGrace", Some(end)),
        None => (Verdict::Violating, "Outdated", None),
    }
}
