//! Starts a build, at most once.

use super::RebuildError;
use super::context::{Context, Known};
use super::desk::{Place, changed};
use super::outcome::{adopted, held, is_adequate, refused};
use super::request::post;
use crate::kubernetes::{self, BuildError};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, TargetState};
use crate::record::{Target, TargetRecord};

/// Starts the build of a target whose turn it is, or finds that it needs none.
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
            super::tell::tell(context, &Known { target: starting, ..known }).await
        }
    }
}

/// Decides the next state of a target. `Starting` must be written down before the request is sent.
async fn prepare(
    context: &Context,
    known: &Known,
    namespace: &str,
    name: &str,
) -> Result<TargetRecord, BuildError> {
    let target = &known.target;
    let now = kubernetes::build_config(context.cluster()?, namespace, name).await?;
    if let Some(held) = held(target, &now) {
        return Ok(held);
    }
    let builds = kubernetes::builds_of(context.cluster()?, namespace, name).await?;
    if let Some(build) = builds.iter().find(|build| is_adequate(build, known)) {
        return Ok(TargetRecord { attempts: target.attempts + 1, ..adopted(known, build) });
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
