//! Entries about rebuilds and their targets.

use serde::{Deserialize, Serialize};

use super::{Known, no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::{Digest, Timestamp};
use crate::record::rebuild::{Action, Basis, RebuildRequest, RebuildState, TargetState};
use crate::record::{RebuildRecord, RebuildsKey, RebuildsRecord, State, TargetRecord, decode};

const FINISHED: &str = "rebuild.finished";
const CANCELLED: &str = "rebuild.cancelled";
const FORGOTTEN: &str = "rebuild.forgotten";

/// Returns `true` if the targets of a rebuild do not change any more after this event.
pub(super) fn is_end(what: &str) -> bool {
    matches!(what, FINISHED | FORGOTTEN)
}

#[derive(Serialize, Deserialize)]
struct Rebuild {
    state: RebuildState,
    waves: u32,
    targets: u32,
}

#[derive(Serialize)]
struct WhyRebuild<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    message: &'a str,
    automatic: bool,
    /// Present once, in the entry about the plan: the request, and the class at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a RebuildRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'a Basis>,
}

#[derive(Serialize)]
struct Target<'a> {
    state: TargetState,
    action: Action,
    wave: u32,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

#[derive(Serialize)]
struct WhyTarget<'a> {
    /// The tag or image through which the target is built on the class.
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    reason: &'a str,
    /// The reason for the state.
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

pub(super) fn entry(known: &Known, time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let key = &stored.record.key;
    let decoded = decode::<RebuildsRecord>(&stored.record).map_err(|error| wrong(&error))?;
    Ok(match decoded {
        Some(RebuildsRecord::Rebuild(of)) => of_rebuild(&of, known.get(key), time),
        Some(RebuildsRecord::RebuildTarget(of)) => of_target(&of, known.get(key), time),
        None => match RebuildsKey::parse(key).ok_or_else(|| no_key(stored))? {
            RebuildsKey::Rebuild(id) => {
                Entry { rebuild: Some(id), from: known.get(key), ..Entry::new(FORGOTTEN, time) }
            }
            RebuildsKey::Target(id, target) => Entry {
                rebuild: Some(id),
                target: Some(target.to_string()),
                from: known.get(key),
                ..Entry::new("rebuild.target.forgotten", time)
            },
        },
    })
}

fn of_rebuild(of: &RebuildRecord, before: Option<Facts>, time: Timestamp) -> Entry {
    let earlier = before.as_ref().and_then(Facts::read::<Rebuild>).map(|before| before.state);
    let what = match (earlier, of.state) {
        (None, RebuildState::Running) => "rebuild.begun",
        (Some(earlier), state) if earlier == state => "rebuild.changed",
        (_, RebuildState::Running) => "rebuild.resumed",
        (_, RebuildState::Paused) => "rebuild.paused",
        (_, RebuildState::Stopped) => "rebuild.stopped",
        (_, RebuildState::Cancelled) => CANCELLED,
        (_, RebuildState::Finished) => FINISHED,
    };
    let is_first = earlier.is_none();
    let why = WhyRebuild {
        reason: of.request.reason.as_deref(),
        message: &of.message,
        automatic: of.automatic,
        request: Some(&of.request).filter(|_| is_first),
        basis: Some(&of.basis).filter(|_| is_first),
    };
    Entry {
        rebuild: Some(of.id.clone()),
        class: Some(of.request.class.clone()),
        from: before,
        to: Facts::of(&Rebuild { state: of.state, waves: of.waves, targets: of.targets }),
        why: Facts::of(&why),
        on_behalf_of: if is_first { of.request.requested_by.clone() } else { of.changed_by.clone() },
        ..Entry::new(what, time)
    }
}

fn of_target(of: &TargetRecord, before: Option<Facts>, time: Timestamp) -> Entry {
    let what = match (&before, of.state) {
        (None, TargetState::Waiting) => "rebuild.target.planned",
        (_, TargetState::Waiting) => "rebuild.target.waiting",
        (_, TargetState::Starting) => "rebuild.target.starting",
        (_, TargetState::Running) => "rebuild.target.running",
        (_, TargetState::Succeeded) => "rebuild.target.succeeded",
        (_, TargetState::Failed) => "rebuild.target.failed",
        (_, TargetState::Skipped) => "rebuild.target.skipped",
    };
    let facts = Target {
        state: of.state,
        action: of.action,
        wave: of.wave,
        attempts: of.attempts,
        build: of.build.as_deref(),
        output: of.output.as_deref(),
    };
    let why = WhyTarget {
        input: &of.reason.input,
        version: of.reason.version,
        state: of.reason.state,
        reason: &of.reason.message,
        message: &of.message,
    };
    Entry {
        rebuild: Some(of.rebuild.clone()),
        target: Some(of.target.to_string()),
        from: before,
        to: Facts::of(&facts),
        why: Facts::of(&why),
        ..Entry::new(what, time)
    }
}
