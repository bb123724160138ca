//! Beginning a build, at most once.

use std::time::Duration;

use super::RebuildError;
use super::desk::{Place, changed};
use super::look::{self, Known, failed, is_adequate, is_over};
use super::worker::Context;
use crate::kubernetes::{self, BuildConfigNow, BuildError, BuildNow, BuildRequest};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{Target, TargetRecord};

/// Begins the build of a target whose turn it is, or finds that it needs none.
pub(super) async fn begin(context: &Context, place: &Place) -> Result<(), RebuildError> {
    let is_next = |known: &Known| known.may_begin && known.target.state == TargetState::Waiting;
    let Some(known) = context.read(place).await?.filter(is_next) else { return Ok(()) };
    let target = known.target.clone();
    match &target.target {
        Target::BuildConfig { namespace, name } => match prepare(context, &known, namespace, name).await {
            Ok(next) if next.state == TargetState::Starting => {
                if !context.write_if_still(next.clone()).await? {
                    return Ok(());
                }
                post(context, &Known { target: next, ..known }, namespace, name).await
            }
            Ok(next) => context.write(next).await,
            Err(error) => context.write(refused(&target, error)).await,
        },
        Target::Tag(_) => {
            let starting = changed(&target, TargetState::Starting, "");
            let started = target.started.or_else(|| Some(Timestamp::now()));
            let starting = TargetRecord { attempts: target.attempts + 1, started, ..starting };
            if !context.write_if_still(starting.clone()).await? {
                return Ok(());
            }
            super::sink::tell(context, &Known { target: starting, ..known }).await
        }
    }
}

/// What a target is to be next: `Starting` is to be written down before it is done.
async fn prepare(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<TargetRecord, BuildError> {
    let target = &known.target;
    let now = kubernetes::build_config(context.cluster()?, namespace, name).await?;
    if let Some(held) = held(target, now) {
        return Ok(held);
    }
    let builds = kubernetes::builds_of(context.cluster()?, namespace, name).await?;
    if let Some(build) = builds.iter().find(|build| is_adequate(build, known)) {
        return Ok(TargetRecord { attempts: target.attempts + 1, ..adopted(target, build) });
    }
    if target.action == Action::Trigger {
        let waiting = changed(target, TargetState::Running, "waits for its ImageChange trigger");
        return Ok(TargetRecord { build: None, started: Some(Timestamp::now()), ..waiting });
    }
    let started = Some(Timestamp::now());
    Ok(TargetRecord {
        attempts: target.attempts + 1,
        last_version: Some(now.last_version),
        build: None,
        started,
        requested: started,
        ended: None,
        not_before: None,
        ..changed(target, TargetState::Starting, "")
    })
}

/// A target whose BuildConfig says that nobody may build it, or that clade cannot.
pub(super) fn held(target: &TargetRecord, now: BuildConfigNow) -> Option<TargetRecord> {
    let message = match now {
        BuildConfigNow { paused: true, .. } => "the annotation openshift.io/build-config.paused holds it",
        BuildConfigNow { binary: true, .. } => "its source is uploaded by whoever starts a build",
        _ => return None,
    };
    Some(changed(target, TargetState::Skipped, message).at_end(Timestamp::now()))
}

/// Asks the API server for the build that was written down. It takes the request once, so that it can be asked again.
pub(super) async fn post(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<(), RebuildError> {
    let target = &known.target;
    let request = BuildRequest {
        namespace,
        name,
        last_version: target.last_version.unwrap_or_default(),
        rebuild: &target.rebuild,
        attempt: target.attempts,
        message: &known.message,
    };
    let begun = match context.cluster() {
        Ok(cluster) => kubernetes::instantiate(cluster, &request).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(build) => {
            context.metrics.builds_begun.inc();
            context.write(running(target, &build, "")).await
        }
        // Whether it was begun is seen at the next look.
        Err(BuildError::Unknown(problem)) => context.write(unclear(known, &problem)).await,
        Err(BuildError::NotNow(problem)) => context.write(failed(context, known, &problem)).await,
        Err(BuildError::Refused(problem)) => look::refused(context, known, namespace, name, problem).await,
        Err(error) => context.write(refused(target, error)).await,
    }
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
    let seconds = known.limits.build_timeout_seconds;
    if target.started.is_some_and(|at| is_over(at, Duration::from_secs(seconds))) {
        let message = format!("it is not known after {seconds} s whether its build was begun: {problem}");
        return changed(target, TargetState::Failed, message).at_end(Timestamp::now());
    }
    let message = format!("it is not known whether its build was begun: {problem}; looked at again soon");
    changed(target, TargetState::Starting, message)
}
