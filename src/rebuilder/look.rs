//! Seeing what became of a build that was begun, or that a trigger begins.

use std::time::Duration;

use super::RebuildError;
use super::begin::{adopted, held, post, refused as told, running, unclear};
use super::desk::{Place, changed};
use super::worker::{Context, after};
use crate::kubernetes::{self, BuildError, BuildNow, BuildPhase};
use crate::oci::Timestamp;
use crate::plan::Standing;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{RebuildLimits, State, Target, TargetRecord};

/// A request whose answer was lost may still be under way for so long, which is longer than it is waited for.
const UNDER_WAY: Duration = Duration::from_secs(45);
/// A request of which nobody knows is repeated after so long.
const REPEATED: Duration = Duration::from_secs(5);
/// So long the image of a complete build may take to be known here; longer is not waited for it.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// What a look at a target needs to know.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) target: TargetRecord,
    pub(super) limits: RebuildLimits,
    /// Whether its rebuild goes on, and its window is open.
    pub(super) may_begin: bool,
    /// From when on a build has everything in it.
    pub(super) ready_at: Timestamp,
    /// When the rebuild was planned.
    pub(super) planned: Timestamp,
    /// The class, and its generation: another one of the name says nothing of what was to be built.
    pub(super) class: String,
    pub(super) generation: u64,
    /// What stands on a build as its reason.
    pub(super) message: String,
}

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

/// Looks at a target that is being begun or built.
pub(super) async fn look(context: &Context, place: &Place) -> Result<(), RebuildError> {
    let Some(known) = context.read(place).await? else { return Ok(()) };
    let next = match (&known.target.target, known.target.state) {
        (Target::BuildConfig { namespace, name }, TargetState::Starting) => {
            return look_at_request(context, &known, namespace, name).await;
        }
        (Target::BuildConfig { namespace, name }, TargetState::Running) => match &known.target.build {
            Some(build) => look_at_build(context, &known, namespace, build).await?,
            None => look_for_trigger(context, &known, namespace, name).await,
        },
        (Target::Tag(_), TargetState::Starting) => return super::sink::tell(context, &known).await,
        (Target::Tag(tag), TargetState::Running) => look_at_tag(context, &known, tag).await?,
        _ => None,
    };
    match next {
        Some(next) => context.write(next).await,
        None => Ok(()),
    }
}

/// What cannot be seen is looked at again, until a build would have to have ended.
fn unseen(known: &Known, error: &BuildError) -> TargetRecord {
    let target = &known.target;
    let seconds = known.limits.build_timeout_seconds;
    let message = format!("what became of it cannot be seen: {error}");
    match target.started.is_some_and(|at| is_over(at, Duration::from_secs(seconds))) {
        true => changed(target, TargetState::Failed, message).at_end(Timestamp::now()),
        false => changed(target, TargetState::Running, message),
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
        Ok(Begun::NotYet) => ask_again(context, known, namespace, name).await,
        Ok(Begun::Unclear) => Ok(()),
        Err(BuildError::Gone) => context.write(told(&known.target, BuildError::Gone)).await,
        Err(error) => context.write(unclear(known, &error.to_string())).await,
    }
}

/// Repeats a request that was not taken, unless nothing is to begin any more.
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
        Ok(Begun::NotYet) => context.write(told(&known.target, BuildError::Refused(problem))).await,
        Ok(Begun::Unclear) => Ok(()),
        Err(BuildError::Gone) => context.write(told(&known.target, BuildError::Gone)).await,
        Err(error) => context.write(unclear(known, &error.to_string())).await,
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
        return Ok(held(target, now).map_or(Begun::NotYet, |held| Begun::Known(Box::new(held))));
    }
    let is_anothers = builds.iter().any(|build| build.number == Some(last_version + 1));
    let next = match builds.iter().find(|build| is_adequate(build, known)) {
        Some(build) if is_anothers => adopted(target, build),
        // Somebody else was faster, with a build that will not do: it is this one's turn again.
        None if is_anothers => TargetRecord {
            attempts: target.attempts.saturating_sub(1),
            ..changed(target, TargetState::Waiting, "somebody else began a build at the same time")
        },
        _ if target.requested.is_some_and(|at| !is_over(at, UNDER_WAY)) => return Ok(Begun::Unclear),
        _ => failed(context, known, "the API server has counted the build, and made none"),
    };
    Ok(Begun::Known(Box::new(next)))
}

async fn look_at_build(
    context: &Context,
    known: &Known,
    namespace: &str,
    build: &str,
) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    let found = match context.cluster() {
        Ok(cluster) => kubernetes::build(cluster, namespace, build).await,
        Err(error) => Err(error),
    };
    let build = match found {
        Ok(build) => build,
        Err(BuildError::Gone) => return pruned(context, known, build).await,
        Err(error) => return Ok(Some(unseen(known, &error))),
    };
    Ok(match build.phase {
        BuildPhase::Complete => complete(context, known, &build).await?,
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

/// A Build that is not there any more: OpenShift takes old ones away, soon after they end where the BuildConfig says so. What
/// its tag points at tells whether it was built.
async fn pruned(context: &Context, known: &Known, build: &str) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    let gone = format!("its build {build} is gone");
    if let (Some(left), Some(output)) = (target.reason.version, target.output.clone()) {
        let (class, generation) = (known.class.clone(), known.generation);
        let standing = context
            .ask(move |query| {
                query.tag_standing(&output, &class).filter(|_| query.is_class(&class, generation))
            })
            .await?;
        let is_left = |of: &Standing| !matches!(of, Some((State::Outdated, version)) if *version == left);
        if standing.is_some_and(|all| all.iter().all(is_left)) {
            context.metrics.builds_succeeded.inc();
            let message = format!("{gone}, and its image has left {}", left.short());
            return Ok(Some(changed(target, TargetState::Succeeded, message).at_end(Timestamp::now())));
        }
        // What it has pushed may be known here a moment later.
        let Some(until) = target.not_before else {
            let waits = changed(target, TargetState::Running, format!("{gone}; its image is looked for"));
            return Ok(Some(TargetRecord { not_before: Some(after(UNTIL_KNOWN)), ..waits }));
        };
        if until > Timestamp::now() {
            return Ok(None);
        }
    }
    Ok(Some(failed(context, known, &format!("{gone}, and nothing shows that it was built"))))
}

/// What a complete build has come to: the layers of its image tell whether it has left the version that it was on. None
/// while the image is not known here.
async fn complete(
    context: &Context,
    known: &Known,
    build: &BuildNow,
) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    let succeeded = |message: String| {
        context.metrics.builds_succeeded.inc();
        let ended = build.ended.or_else(|| Some(Timestamp::now()));
        TargetRecord { ended, ..changed(target, TargetState::Succeeded, message) }
    };
    let (Some(left), Some(image), Some(output)) = (target.reason.version, build.image, target.output.clone())
    else {
        return Ok(Some(succeeded(target.message.clone())));
    };
    let (class, generation) = (known.class.clone(), known.generation);
    // Who does not know the tag will not hear of the image either.
    let (is_watched, is_same, standing) = context
        .ask(move |query| {
            (query.has_tag(&output), query.is_class(&class, generation), query.standing(&image, &class))
        })
        .await?;
    if !is_same {
        let message = format!("built; class {} is another now, or gone", known.class);
        return Ok(Some(succeeded(message)));
    }
    Ok(match standing {
        Some(Some((State::Outdated, version))) if version == left => {
            let problem = format!("{} has built {image}, which is on {} still", build.name, left.short());
            Some(TargetRecord { rejected: build.number, ..failed(context, known, &problem) })
        }
        Some(_) => Some(succeeded(target.message.clone())),
        None if is_watched && build.ended.is_some_and(|at| !is_over(at, UNTIL_KNOWN)) => None,
        None => Some(succeeded(format!("{image} was built, and is not known here"))),
    })
}

/// Looks for the build that a trigger begins. One that does not come in time is begun by clade.
async fn look_for_trigger(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Option<TargetRecord> {
    let target = &known.target;
    let builds = match context.cluster() {
        Ok(cluster) => kubernetes::builds_of(cluster, namespace, name).await,
        Err(error) => Err(error),
    };
    let builds = match builds {
        Ok(builds) => builds,
        Err(error) => return Some(unseen(known, &error)),
    };
    if let Some(build) = builds.iter().find(|build| is_adequate(build, known)) {
        return Some(TargetRecord { attempts: target.attempts + 1, ..adopted(target, build) });
    }
    let patience = context.options.trigger_patience;
    target.started.filter(|at| is_over(*at, patience)).map(|_| {
        let message = format!("its trigger has not fired within {} s", patience.as_secs());
        let waiting = changed(target, TargetState::Waiting, message);
        TargetRecord { action: Action::Build, started: None, ..waiting }
    })
}

async fn look_at_tag(
    context: &Context,
    known: &Known,
    tag: &str,
) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    let (name, class, generation) = (tag.to_owned(), known.class.clone(), known.generation);
    let (is_same, standing) = context
        .ask(move |query| (query.is_class(&class, generation), query.tag_standing(&name, &class)))
        .await?;
    if !is_same {
        let message = format!("class {} is another now, or gone", known.class);
        return Ok(Some(changed(target, TargetState::Skipped, message).at_end(Timestamp::now())));
    }
    let is_outdated = |of: &Standing| of.is_some_and(|(state, _)| state == State::Outdated);
    if standing.is_some_and(|all| !all.iter().any(is_outdated)) {
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
pub(super) fn is_over(since: Timestamp, time: Duration) -> bool {
    let seconds = Timestamp::now().as_second() - since.as_second();
    u64::try_from(seconds).is_ok_and(|seconds| seconds >= time.as_secs())
}
