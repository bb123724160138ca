//! The sentences of verdicts. People read them in a terminal: they say what is missing, what is there instead, and what would
//! be right.

use std::fmt::Write as _;

use super::found::{Circumstances, Found, grace_ends, selects};
use super::{ImageFacts, KnownImage, Standing};
use crate::record::State;
use crate::record::policy::{ClassPolicy, Exemption, PolicyRecord};

/// Classes that a sentence names, at most.
pub(super) const MOST: usize = 5;

pub(super) fn no_class(policy: &ClassPolicy) -> String {
    let named = policy.require.classes.iter().take(MOST).map(String::as_str);
    let named: Vec<&str> = named.collect();
    let more = policy.require.classes.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match (named.is_empty(), &policy.require.selector) {
        (false, None) => format!("no class that it requires exists: {}{more}", named.join(", ")),
        (false, Some(_)) => {
            format!(
                "neither a class that it names ({}{more}) nor one that its selector selects exists",
                named.join(", ")
            )
        }
        (true, _) => "its selector selects no class that exists".to_owned(),
    }
}

pub(super) fn exempt(exemption: &Exemption) -> String {
    match exemption.until {
        Some(until) => format!("exempt until {until:.0}: {}", exemption.reason),
        None => format!("exempt: {}", exemption.reason),
    }
}

pub(super) fn message(
    policy: &PolicyRecord,
    image: &ImageFacts,
    known: Option<&KnownImage>,
    found: &Found<'_>,
    circumstances: Circumstances<'_>,
) -> String {
    let class = found.class.unwrap_or_default();
    match (found.reason, known) {
        ("Member", _) => format!("built on class {class}"),
        ("Claimed", _) => format!("claims to be built on class {class}; its layers do not contradict it"),
        ("WithinGrace", _) => {
            let until = found.until.map(|until| format!("{until:.0}")).unwrap_or_default();
            format!("built on an outdated version of class {class}, which the policy tolerates until {until}")
        }
        ("Stale", _) => format!(
            "clade's answers are older than the {} that the policy tolerates, and by them the image would violate it",
            policy.spec.max_staleness.as_str()
        ),
        (_, None) => unknown(image),
        (reason, Some(known)) => violating(reason, policy, known, found, circumstances),
    }
}

fn unknown(image: &ImageFacts) -> String {
    match (&image.problem, &image.unknown[..]) {
        (Some(problem), _) => problem.clone(),
        (None, [first, ..]) if !image.known.is_empty() => {
            format!("clade has not seen {first}, one of the images that the tag or index leads to")
        }
        (None, [first, ..]) => format!("clade has not seen the image {first}"),
        (None, []) => "clade has not seen this image".to_owned(),
    }
}

fn violating(
    reason: &str,
    policy: &PolicyRecord,
    known: &KnownImage,
    found: &Found<'_>,
    circumstances: Circumstances<'_>,
) -> String {
    let class = found.class.unwrap_or_default();
    let mut text = String::new();
    match (reason, found.standing) {
        ("Outdated", Some(standing)) => {
            text = format!("built on an outdated version of class {class} ({}", standing.version.short());
            if let Some(since) = standing.outdated_since {
                let _ = write!(text, ", replaced on {since:.0}");
            }
            if let Some(end) = grace_ends(&policy.spec.require, standing.outdated_since) {
                let _ = write!(text, ", tolerated until {end:.0}");
            }
            text.push(')');
            match standing.current {
                Some(current) => {
                    let _ = write!(text, "; rebuild it on the current one, {}", current.short());
                }
                None => text.push_str("; the current version has no image for its platform"),
            }
        }
        ("Outdated", None) => {
            text = format!("claims class {class}, and not its current version; rebuild it on that");
        }
        ("OnlyClaimed", _) => {
            text = format!(
                "built on class {class} only by a version that claims of images name, which proof: Layers does not count"
            );
        }
        _ => {
            let required = required(policy, circumstances);
            let _ = write!(text, "not built on {required}; ");
            text.push_str(&instead(known));
            let _ = write!(text, "; rebuild it on {required}");
        }
    }
    text
}

/// The required classes that exist, as a phrase.
fn required(policy: &PolicyRecord, circumstances: Circumstances<'_>) -> String {
    let selected =
        circumstances.catalog.classes().filter(|class| selects(&policy.spec.require, &class.record));
    let mut names: Vec<&str> = selected.map(|class| class.record.name.as_str()).take(MOST + 1).collect();
    let has_more = names.len() > MOST;
    names.truncate(MOST);
    match (&names[..], has_more) {
        ([one], false) => format!("class {one}"),
        (some, false) => format!("one of the classes {}", some.join(", ")),
        (some, true) => format!("one of the classes {} and others", some.join(", ")),
    }
}

/// The classes that an image is built on, nearest first, as a phrase.
fn instead(known: &KnownImage) -> String {
    let mut standings: Vec<&Standing> = known.memberships.iter().collect();
    standings.sort_by_key(|standing| !standing.nearest);
    let state = |state: State| if state == State::Current { "" } else { " (outdated)" };
    let name = |of: &&Standing| format!("{}{}", of.class, state(of.state));
    let names: Vec<String> = standings.iter().take(MOST).map(name).collect();
    if names.is_empty() {
        "it is built on no class".to_owned()
    } else {
        format!("it is built on {}", names.join(", "))
    }
}
