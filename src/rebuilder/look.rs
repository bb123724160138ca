//! Checks the result of a build that was started, or that a trigger starts.

use std::time::Duration;

use super::RebuildError;
use super::context::{Context, Known, after};
use super::desk::{Place, changed};
use super::outcome::{adopted, failed, is_adequate, is_late, is_over, unseen};
use super::request::look_at_request;
use crate::kubernetes::{self, BuildError, BuildNow, BuildPhase};
use crate::oci::Timestamp;
use crate::plan::Standing;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{State, Target, TargetRecord};

/// Longest wait until the index has the image of a complete build.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// Checks a target that is starting or running.
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
        (Target::Tag(_), TargetState::Starting) => return super::tell::tell(context, &known).await,
        (Target::Tag(tag), TargetState::Running) => look_at_tag(context, &known, tag).await?,
        _ => None,
    };
    match next {
        Some(next) => context.write(next).await,
        None => Ok(()),
    }
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
        BuildPhase::Unfinished => is_late(known).then(|| {
            context.metrics.builds_failed.inc();
            let message = format!(
                "{} has not ended within {} s; it is left running",
                build.name, known.limits.build_timeout_seconds
            );
            changed(target, TargetState::Failed, message).at_end(Timestamp::now())
        }),
    })
}

/// Handles a Build that does not exist any more: OpenShift deletes old ones, soon after they end if the BuildConfig
/// says so. The image of the output tag shows whether it was built.
async fn pruned(context: &Context, known: &Known, build: &str) -> Result<Option<TargetRecord>, RebuildError> {
    let target = &known.target;
    let gone = format!("its build {build} is gone");
    let left = target.reason.version.filter(|_| target.reason.state == Some(State::Outdated));
    if let (Some(left), Some(output)) = (left, target.output.clone()) {
        let (class, generation) = (known.class.clone(), known.generation);
        let standing = context
            .ask(move |query| {
                query.tag_standing(&output, &class).filter(|_| !query.has_left(&class, generation))
            })
            .await?;
        let is_left = |of: &Standing| !matches!(of, Some((State::Outdated, version)) if *version == left);
        if standing.is_some_and(|all| all.iter().all(is_left)) {
            context.metrics.builds_succeeded.inc();
            let message = format!("{gone}, and its image has left {}", left.short());
            return Ok(Some(changed(target, TargetState::Succeeded, message).at_end(Timestamp::now())));
        }
        // The index may learn a moment later what the build has pushed.
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

/// Judges a complete build: the layers of its image show whether it has left the outdated version. Returns `None` while
/// the index does not have the image.
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
    // A process that does not know the tag will not learn of the image either.
    let (is_watched, has_left, standing) = context
        .ask(move |query| {
            (query.has_tag(&output), query.has_left(&class, generation), query.standing(&image, &class))
        })
        .await?;
    if has_left {
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

/// Looks for the build that a trigger starts. If there is none in time, clade starts it.
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
        return Some(TargetRecord { attempts: target.attempts + 1, ..adopted(known, build) });
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
    let (has_left, standing) = context
        .ask(move |query| (query.has_left(&class, generation), query.tag_standing(&name, &class)))
        .await?;
    if has_left {
        let message = format!("class {} is another now, or gone", known.class);
        return Ok(Some(changed(target, TargetState::Skipped, message).at_end(Timestamp::now())));
    }
    let is_outdated = |of: &Standing| of.is_some_and(|(state, _)| state == State::Outdated);
    if standing.is_some_and(|all| !all.iter().any(is_outdated)) {
        return Ok(Some(changed(target, TargetState::Succeeded, "").at_end(Timestamp::now())));
    }
    Ok(is_late(known).then(|| {
        let seconds = known.limits.build_timeout_seconds;
        let message = format!("no image on the current version came within {seconds} s");
        changed(target, TargetState::Failed, message).at_end(Timestamp::now())
    }))
}
