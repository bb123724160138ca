//! What a target is next, after what was seen of it. Nothing is asked or written here.

use std::time::Duration;

use super::context::{Context, Known};
use super::desk::changed;
use crate::kubernetes::{BuildError, BuildNow, BuildPhase};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{BuildConfigRecord, TargetRecord};

/// Whether a build, whoever began it, is as good as one begun now: it began after everything was there, had not ended when the
/// plan was made, and nobody has found it wanting.
pub(super) fn is_adequate(build: &BuildNow, known: &Known) -> bool {
    let planned = Timestamp::from_second(known.planned.as_second()).unwrap_or(known.planned);
    let is_rejected = known.target.rejected.is_some_and(|last| build.number.is_none_or(|of| of <= last));
    build.created >= known.ready_at
        && !build.is_clone
        && !is_rejected
        && match build.phase {
            BuildPhase::Unfinished => true,
            BuildPhase::Complete => build.ended.is_none_or(|ended| ended >= planned),
            BuildPhase::Failed => false,
        }
}

/// A target whose BuildConfig says that nobody may build it, or that clade cannot.
pub(super) fn held(target: &TargetRecord, now: &BuildConfigRecord) -> Option<TargetRecord> {
    let message = match (now.paused, now.binary) {
        (true, _) => "the annotation openshift.io/build-config.paused holds it",
        (_, true) => "its source is uploaded by whoever starts a build",
        _ => return None,
    };
    Some(changed(target, TargetState::Skipped, message).at_end(Timestamp::now()))
}

/// A target that is being built.
pub(super) fn running(target: &TargetRecord, build: &BuildNow, message: &str) -> TargetRecord {
    TargetRecord {
        build: Some(build.name.clone()),
        started: Some(build.created),
        not_before: None,
        ..changed(target, TargetState::Running, message)
    }
}

/// A target that somebody else builds already.
pub(super) fn adopted(target: &TargetRecord, build: &BuildNow) -> TargetRecord {
    let message = match (&build.begun_for, target.action) {
        (Some((rebuild, _)), _) if *rebuild == target.rebuild => String::new(),
        (Some((rebuild, _)), _) => format!("built by {rebuild}"),
        (None, Action::Trigger) => "built by its trigger".to_owned(),
        (None, _) => "somebody else has begun a build on the new base already".to_owned(),
    };
    running(target, build, &message)
}

/// A target of which the API server says no, or nothing, before a build was asked for.
pub(super) fn refused(target: &TargetRecord, error: BuildError) -> TargetRecord {
    let now = Timestamp::now();
    match error {
        BuildError::Gone => changed(target, TargetState::Skipped, "the BuildConfig is gone").at_end(now),
        BuildError::Forbidden(problem) | BuildError::Refused(problem) => {
            changed(target, TargetState::Failed, problem).at_end(now)
        }
        BuildError::Unknown(problem) | BuildError::NotNow(problem) => {
            changed(target, TargetState::Waiting, format!("{problem}; asked again soon"))
        }
    }
}

/// A target of which nobody knows whether its build was begun. That does not go on for longer than a build may.
pub(super) fn unclear(known: &Known, problem: &str) -> TargetRecord {
    let target = &known.target;
    if is_late(known) {
        let seconds = known.limits.build_timeout_seconds;
        let message = format!("it is not known after {seconds} s whether its build was begun: {problem}");
        return changed(target, TargetState::Failed, message).at_end(Timestamp::now());
    }
    let message = format!("it is not known whether its build was begun: {problem}; looked at again soon");
    changed(target, TargetState::Starting, message)
}

/// What cannot be seen is looked at again, until a build would have to have ended.
pub(super) fn unseen(known: &Known, error: &BuildError) -> TargetRecord {
    let target = &known.target;
    let message = format!("what became of it cannot be seen: {error}");
    match is_late(known) {
        true => changed(target, TargetState::Failed, message).at_end(Timestamp::now()),
        false => changed(target, TargetState::Running, message),
    }
}

/// A target whose build has failed: it is tried again, ever more slowly, as often as the limits say.
pub(super) fn failed(context: &Context, known: &Known, problem: &str) -> TargetRecord {
    let target = &known.target;
    context.metrics.builds_failed.inc();
    if target.attempts > known.limits.retries {
        return changed(target, TargetState::Failed, problem).at_end(Timestamp::now());
    }
    let at = context.later(target.attempts);
    // A trigger does not fire again by itself.
    let action = if target.action == Action::Trigger { Action::Build } else { target.action };
    let message = format!("{problem}; it is tried again");
    let waiting = changed(target, TargetState::Waiting, message);
    TargetRecord { action, build: None, not_before: Some(at), ..waiting }
}

/// Whether so much time has gone by since a moment.
pub(super) fn is_over(since: Timestamp, time: Duration) -> bool {
    let seconds = Timestamp::now().as_second() - since.as_second();
    u64::try_from(seconds).is_ok_and(|seconds| seconds >= time.as_secs())
}

/// Whether it has taken longer than a build may.
pub(super) fn is_late(known: &Known) -> bool {
    let most = Duration::from_secs(known.limits.build_timeout_seconds);
    known.target.started.is_some_and(|at| is_over(at, most))
}
