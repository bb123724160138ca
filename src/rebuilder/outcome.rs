//! Computes the next state of a target from the state of its build. It sends and writes nothing.

use std::time::Duration;

use super::context::{Context, Known};
use super::desk::changed;
use crate::kubernetes::{BuildError, BuildNow, BuildPhase};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{BuildConfigRecord, TargetRecord};

/// Returns `true` if a build, whoever started it, serves as well as one started now: it was created after everything
/// was ready, it had not ended when the plan was made, and it has not been judged insufficient.
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

/// Returns the skipped target if its BuildConfig is paused or needs an uploaded source.
pub(super) fn held(target: &TargetRecord, now: &BuildConfigRecord) -> Option<TargetRecord> {
    let message = match (now.paused, now.binary) {
        (true, _) => "the annotation openshift.io/build-config.paused holds it",
        (_, true) => "its builds need an uploaded source",
        _ => return None,
    };
    Some(changed(target, TargetState::Skipped, message).at_end(Timestamp::now()))
}

/// Returns the target as running.
pub(super) fn running(target: &TargetRecord, build: &BuildNow, message: &str) -> TargetRecord {
    TargetRecord {
        build: Some(build.name.clone()),
        started: Some(build.created),
        not_before: None,
        ..changed(target, TargetState::Running, message)
    }
}

/// Returns the target as built by a build that somebody else has started.
pub(super) fn adopted(known: &Known, build: &BuildNow) -> TargetRecord {
    let target = &known.target;
    let message = match (&build.begun_for, target.action) {
        _ if build.is_begun_for(&target.rebuild, known.planned) => String::new(),
        (Some(of), _) => format!("built by {}", of.rebuild),
        (None, Action::Trigger) => "built by its trigger".to_owned(),
        (None, _) => "somebody else has begun a build on the new base already".to_owned(),
    };
    running(target, build, &message)
}

/// Returns the target after the API server refused, or did not answer, before a build was requested.
pub(super) fn refused(target: &TargetRecord, error: BuildError) -> TargetRecord {
    let now = Timestamp::now();
    match error {
        BuildError::Gone => changed(target, TargetState::Skipped, "the BuildConfig is gone").at_end(now),
        BuildError::Forbidden(problem) | BuildError::Refused(problem) => {
            changed(target, TargetState::Failed, problem).at_end(now)
        }
        BuildError::Unknown(problem) | BuildError::NotNow(problem) | BuildError::Broken(problem) => {
            changed(target, TargetState::Waiting, format!("{problem}; asked again soon"))
        }
    }
}

/// Returns a target whose build may or may not have been started. This lasts no longer than a build may take.
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

/// Returns a target whose state clade cannot read now. clade tries again, until the time limit of a build is over.
pub(super) fn unseen(known: &Known, error: &BuildError) -> TargetRecord {
    let target = &known.target;
    let message = format!("what became of it cannot be seen: {error}");
    match is_late(known) {
        true => changed(target, TargetState::Failed, message).at_end(Timestamp::now()),
        false => changed(target, TargetState::Running, message),
    }
}

/// Returns a target whose build has failed. It is retried at growing intervals, as often as the limits allow.
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

/// Returns `true` if this much time has passed since a moment.
pub(super) fn is_over(since: Timestamp, time: Duration) -> bool {
    let seconds = Timestamp::now().as_second() - since.as_second();
    u64::try_from(seconds).is_ok_and(|seconds| seconds >= time.as_secs())
}

/// Returns `true` if the build has taken longer than its limit.
pub(super) fn is_late(known: &Known) -> bool {
    let most = Duration::from_secs(known.limits.build_timeout_seconds);
    known.target.started.is_some_and(|at| is_over(at, most))
}
