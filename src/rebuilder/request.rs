//! Sends the request for a build. The build is started at most once, however often the request is sent.

use std::time::Duration;

use super::RebuildError;
use super::context::{Context, Known};
use super::desk::changed;
use super::outcome::{adopted, failed, held, is_adequate, is_over, refused, running, unclear};
use crate::kubernetes::{self, BuildError, BuildRequest};
use crate::oci::Timestamp;
use crate::record::TargetRecord;
use crate::record::rebuild::TargetState;

/// Time for which a request without an answer may still be under way. It is longer than the time limit of a request.
const UNDER_WAY: Duration = Duration::from_secs(45);
/// Delay before a request with an unknown result is repeated.
const REPEATED: Duration = Duration::from_secs(5);

/// Sends the request that was written down. The API server accepts it once, so it may be repeated.
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
        planned: known.planned,
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
        // The next check shows whether the build was started.
        Err(BuildError::Unknown(problem)) => context.write(unclear(known, &problem)).await,
        Err(BuildError::NotNow(problem)) => context.write(failed(context, known, &problem)).await,
        // The API server has accepted this request before, or another one, or refuses it.
        Err(BuildError::Refused(problem)) => {
            let unbegun = || Some(refused(target, BuildError::Refused(problem)));
            settle(context, known, namespace, name, unbegun).await.map(drop)
        }
        Err(BuildError::Broken(problem)) => {
            let unbegun = || Some(failed(context, known, &problem));
            settle(context, known, namespace, name, unbegun).await.map(drop)
        }
        Err(error) => context.write(refused(target, error)).await,
    }
}

/// Checks whether a request with an unknown result has started a build, and repeats it if not.
pub(super) async fn look_at_request(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<(), RebuildError> {
    if settle(context, known, namespace, name, || None).await? {
        return Ok(());
    }
    ask_again(context, known, namespace, name).await
}

/// Writes the result of a request, if it is visible. If no request was accepted, it writes the target of `unbegun`, or
/// returns `false` if that is `None`.
async fn settle(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
    unbegun: impl FnOnce() -> Option<TargetRecord>,
) -> Result<bool, RebuildError> {
    let next = match begun(context, known, namespace, name).await {
        Ok(Begun::Known(next)) => Some(*next),
        Ok(Begun::NotYet) => unbegun(),
        Ok(Begun::Unclear) => return Ok(true),
        Err(BuildError::Gone) => Some(refused(&known.target, BuildError::Gone)),
        Err(error) => Some(unclear(known, &error.to_string())),
    };
    match next {
        Some(next) => context.write(next).await.map(|()| true),
        None => Ok(false),
    }
}

/// Repeats a request that was not accepted, unless nothing may begin any more.
async fn ask_again(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<(), RebuildError> {
    let target = &known.target;
    let is_past = |time| target.requested.is_none_or(|at| is_over(at, time));
    if !known.may_begin {
        if !is_past(UNDER_WAY) {
            return Ok(());
        }
        let attempts = target.attempts.saturating_sub(1);
        let waiting = changed(target, TargetState::Waiting, "it was not begun");
        return context.write(TargetRecord { attempts, started: None, ..waiting }).await;
    }
    if !is_past(REPEATED) {
        return Ok(());
    }
    let again = changed(target, TargetState::Starting, target.message.clone());
    let again = TargetRecord { requested: Some(Timestamp::now()), ..again };
    context.write(again.clone()).await?;
    post(context, &Known { target: again, ..known.clone() }, namespace, name).await
}

enum Begun {
    /// The new state of the target.
    Known(Box<TargetRecord>),
    /// The BuildConfig is unchanged: no request was accepted.
    NotYet,
    /// A request was accepted, and its build is not visible yet.
    Unclear,
}

async fn begun(context: &Context, known: &Known, namespace: &str, name: &str) -> Result<Begun, BuildError> {
    let target = &known.target;
    let builds = kubernetes::builds_of(context.cluster()?, namespace, name).await?;
    let is_own = |build: &&kubernetes::BuildNow| {
        build.is_begun_for(&target.rebuild, known.planned)
            && build.begun_for.as_ref().is_some_and(|of| of.attempt == target.attempts)
    };
    if let Some(build) = builds.iter().find(is_own) {
        return Ok(Begun::Known(Box::new(running(target, build, ""))));
    }
    let now = kubernetes::build_config(context.cluster()?, namespace, name).await?;
    let last_version = target.last_version.unwrap_or_default();
    if now.last_version == last_version {
        return Ok(held(target, &now).map_or(Begun::NotYet, |held| Begun::Known(Box::new(held))));
    }
    let is_anothers = builds.iter().any(|build| build.number == Some(last_version + 1));
    let next = match builds.iter().find(|build| is_adequate(build, known)) {
        Some(build) if is_anothers => adopted(known, build),
        // Somebody else was faster, with a build that does not serve: it is this target's turn again.
        None if is_anothers => TargetRecord {
            attempts: target.attempts.saturating_sub(1),
            ..changed(target, TargetState::Waiting, "somebody else began a build at the same time")
        },
        _ if target.requested.is_some_and(|at| !is_over(at, UNDER_WAY)) => return Ok(Begun::Unclear),
        _ => failed(context, known, "the API server has counted the build, and made none"),
    };
    Ok(Begun::Known(Box::new(next)))
}
