//! Seeing what became of a build that was begun, or that a trigger begins.

use std::time::Duration;

use super::RebuildError;
use super::begin::{adopted, post, refused as told, running};
use super::desk::{Place, changed};
use super::worker::Context;
use crate::kubernetes::{self, BuildError, BuildNow, BuildPhase};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{RebuildLimits, Target, TargetRecord};

/// A request whose answer was lost may still be under way for so long: only then is what it names another's.
const UNDER_WAY: Duration = Duration::from_secs(15);

/// What a look at a target needs to know.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) target: TargetRecord,
    pub(super) limits: RebuildLimits,
    /// Whether its rebuild goes on.
    pub(super) may_begin: bool,
    /// From when on a build has everything in it.
    pub(super) ready_at: Timestamp,
    /// When the rebuild was planned.
    pub(super) planned: Timestamp,
    /// The class.
    pub(super) class: String,
    /// What stands on a build as its reason.
    pub(super) message: String,
}

/// Whether a build, whoever began it, is as good as one begun now: it began after everything was there, and had not ended
/// when the plan was made.
pub(super) fn is_adequate(build: &BuildNow, known: &Known) -> bool {
    let planned = Timestamp::from_second(known.planned.as_second()).unwrap_or(known.planned);
    build.created >= known.ready_at
        && match build.phase {
            BuildPhase::Unfinished => true,
            BuildPhase::Complete => build.ended.is_none_or(|ended| ended >= planned),
            BuildPhase::Failed => false,
        }
}

/// Looks at a target that is being begun or built.
pub(super) async fn look(context: &Context, place: &Place) -> Result<(), RebuildError> {
    let Some(known) = context.read(place).await? else { return Ok(()) };
    let seen = match (&known.target.target, known.target.state) {
        (Target::BuildConfig { namespace, name }, TargetState::Starting) => {
            return look_at_request(context, &known, namespace, name).await;
        }
        (Target::BuildConfig { namespace, name }, TargetState::Running) => {
            look_at_build(context, &known, namespace, name).await
        }
        (Target::Tag(_), TargetState::Starting) => return super::sink::tell(context, &known).await,
        (Target::Tag(tag), TargetState::Running) => Ok(look_at_tag(context, &known, tag).await?),
        _ => Ok(None),
    };
    match seen {
        Ok(Some(next)) => context.write(next).await,
        Ok(None) => Ok(()),
        // What cannot be seen now is looked at again.
        Err(BuildError::Unknown(problem)) => {
            tracing::debug!(%known.target.target, "cannot see what became of it: {problem}");
            Ok(())
        }
        Err(error) => context.write(told(context, &known.target, error)).await,
    }
}

/// Whether a build was begun by a request of which nobody knows.
async fn look_at_request(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<(), RebuildError> {
    match begun(context, known, namespace, name).await {
        Ok(Begun::Known(next)) => context.write(*next).await,
        Ok(Begun::NotYet) => post(context, known, namespace, name).await,
        Ok(Begun::Unclear) | Err(BuildError::Unknown(_)) => Ok(()),
        Err(error) => context.write(told(context, &known.target, error)).await,
    }
}

/// The API server has refused the request: because it has taken it before, because of another's build, or for itself.
pub(super) async fn refused(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
    problem: String,
) -> Result<(), RebuildError> {
    match begun(context, known, namespace, name).await {
        Ok(Begun::Known(next)) => context.write(*next).await,
        Ok(Begun::NotYet) => context.write(told(context, &known.target, BuildError::Refused(problem))).await,
        Ok(Begun::Unclear) | Err(BuildError::Unknown(_)) => Ok(()),
        Err(error) => context.write(told(context, &known.target, error)).await,
    }
}

enum Begun {
    /// This is what the target is now.
    Known(Box<TargetRecord>),
    /// The BuildConfig is as it was: no request was taken.
    NotYet,
    /// A request was taken, and its build is not to be seen yet.
    Unclear,
}

async fn begun(context: &Context, known: &Known, namespace: &str, name: &str) -> Result<Begun, BuildError> {
    let target = &known.target;
    let builds = kubernetes::builds_of(context.cluster()?, namespace, name).await?;
    let own = (target.rebuild.clone(), target.attempts);
    if let Some(build) = builds.iter().find(|build| build.begun_for.as_ref() == Some(&own)) {
        return Ok(Begun::Known(Box::new(running(target, build, ""))));
    }
    let now = kubernetes::build_config(context.cluster()?, namespace, name).await?;
    let last_version = target.last_version.unwrap_or_default();
    if now.last_version == last_version {
        if now.paused {
            let message = "the annotation openshift.io/build-config.paused holds it";
            let skipped = changed(target, TargetState::Skipped, message).at_end(Timestamp::now());
            return Ok(Begun::Known(Box::new(skipped)));
        }
        return Ok(Begun::NotYet);
    }
    let is_anothers = builds.iter().any(|build| build.number == Some(last_version + 1));
    if !is_anothers && target.started.is_some_and(|at| !is_over(at, UNDER_WAY)) {
        return Ok(Begun::Unclear);
    }
    // Somebody else was faster: theirs may do, else it is this one's turn again.
    let attempts = target.attempts.saturating_sub(1);
    let next = match builds.iter().find(|build| is_adequate(build, known)) {
        Some(build) => adopted(target, build),
        None => changed(target, TargetState::Waiting, "somebody else began a build at the same time"),
    };
    Ok(Begun::Known(Box::new(TargetRecord { attempts, ..next })))
}

async fn look_at_build(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<Option<TargetRecord>, BuildError> {
    let target = &known.target;
    let Some(build) = &target.build else { return look_for_trigger(context, known, namespace, name).await };
    let build = match kubernetes::build(context.cluster()?, namespace, build).await {
        Ok(build) => build,
        Err(BuildError::Gone) => {
            return Ok(Some(failed(context, known, &format!("its build {build} was deleted"))));
        }
        Err(error) => return Err(error),
    };
    Ok(match build.phase {
        BuildPhase::Complete => {
            context.metrics.builds_succeeded.inc();
            let ended = build.ended.or_else(|| Some(Timestamp::now()));
            let message = target.message.clone();
            Some(TargetRecord { ended, ..changed(target, TargetState::Succeeded, message) })
        }
        BuildPhase::Failed => Some(failed(context, known, &build.message)),
        BuildPhase::Unfinished => {
            let timeout = Duration::from_secs(known.limits.build_timeout_seconds);
            let is_late = target.started.is_some_and(|at| is_over(at, timeout));
            is_late.then(|| {
                context.metrics.builds_failed.inc();
                let message = format!(
                    "{} has not ended within {} s; it is left running",
                    build.name, known.limits.build_timeout_seconds
                );
                changed(target, TargetState::Failed, message).at_end(Timestamp::now())
            })
        }
    })
}

/// Looks for the build that a trigger begins. One that does not come in time is begun by clade.
async fn look_for_trigger(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<Option<TargetRecord>, BuildError> {
    let target = &known.target;
    let builds = kubernetes::builds_of(context.cluster()?, namespace, name).await?;
    if let Some(build) = builds.iter().find(|build| is_adequate(build, known)) {
        return Ok(Some(adopted(target, build)));
    }
    let patience = context.options.trigger_patience;
    Ok(target.started.filter(|at| is_over(*at, patience)).map(|_| {
        let message = format!("its trigger has not fired within {} s", patience.as_secs());
        let waiting = changed(target, TargetState::Waiting, message);
        TargetRecord { action: Action::Build, started: None, ..waiting }
    }))
}

async fn look_at_tag(
    context: &Context,
    known: &Known,
    tag: &str,
) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    if context.is_tag_current(tag, &known.class).await? == Some(true) {
        return Ok(Some(changed(target, TargetState::Succeeded, "").at_end(Timestamp::now())));
    }
    let seconds = known.limits.build_timeout_seconds;
    let is_late = target.started.is_some_and(|at| is_over(at, Duration::from_secs(seconds)));
    Ok(is_late.then(|| {
        let message = format!("no image on the current version came within {seconds} s");
        changed(target, TargetState::Failed, message).at_end(Timestamp::now())
    }))
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
fn is_over(since: Timestamp, time: Duration) -> bool {
    let seconds = Timestamp::now().as_second() - since.as_second();
    u64::try_from(seconds).is_ok_and(|seconds| seconds >= time.as_secs())
}
