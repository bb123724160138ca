//! What a step of a target needs: what is written of it, the index, and where to write what has become of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::desk::{self, Caps, Place};
use super::sink::Sink;
use super::{RebuildError, Rebuilds};
use crate::kubernetes::{BuildError, Cluster};
use crate::oci::Timestamp;
use crate::query::Query;
use crate::record::{RebuildLimits, RebuildsRecord, TargetRecord};
use crate::retry::Policy;
use crate::telemetry::RebuildMetrics;
use crate::view::View;

/// No failed build waits longer for its next attempt.
const LATEST: Duration = Duration::from_secs(15 * 60);

/// How rebuilds are carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// What all of them together keep to.
    pub caps: Caps,
    /// How often is looked what has become of a build; with hundreds of them more rarely.
    pub look_every: Duration,
    /// A trigger that has not begun a build so long after everything was there is given up, and clade begins it.
    pub trigger_patience: Duration,
    /// How long a build that has failed waits for its next attempt; twice as long each time.
    pub retry_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            caps: Caps::default(),
            look_every: Duration::from_secs(1),
            trigger_patience: Duration::from_secs(60),
            retry_after: Duration::from_secs(30),
        }
    }
}

/// What rebuilds are carried out with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) rebuilds: Rebuilds,
    pub(super) cluster: Option<Cluster>,
    pub(super) sink: Option<Arc<Sink>>,
    pub(super) view: Arc<View>,
    pub(super) metrics: RebuildMetrics,
    pub(super) options: Options,
}

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

/// Work that blocks, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RebuildError> + Send + 'static,
) -> Result<T, RebuildError> {
    spawn_blocking(work).await.map_err(|panicked| RebuildError::Ended(panicked.to_string()))?
}

impl Context {
    /// The cluster whose BuildConfigs are built.
    pub(super) fn cluster(&self) -> Result<&Cluster, BuildError> {
        let none =
            || BuildError::Refused("this clade works with no cluster: start it with --kubernetes".to_owned());
        self.cluster.as_ref().ok_or_else(none)
    }

    /// What is known of a target; none if it is over or gone.
    pub(super) async fn read(&self, (id, target): &Place) -> Result<Option<Known>, RebuildError> {
        let (rebuilds, id, target) = (self.rebuilds.clone(), id.clone(), target.clone());
        blocking(move || {
            rebuilds.with(|ledger| {
                let Some(rebuild) = ledger.book().get(&id) else { return Ok(None) };
                let Some(found) = rebuild.targets.get(&target).filter(|of| !of.state.is_final()) else {
                    return Ok(None);
                };
                let request = &rebuild.record.request;
                let asked = request.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                Ok(Some(Known {
                    target: found.clone(),
                    limits: request.limits.clone(),
                    may_begin: desk::may_begin(rebuild.record, found, Timestamp::now()),
                    ready_at: desk::ready_at(&rebuild, found),
                    planned: rebuild.record.created,
                    class: request.class.clone(),
                    generation: rebuild.record.basis.generation,
                    message: format!("clade rebuild {id}{asked}: {}", found.reason.message),
                }))
            })
        })
        .await
    }

    /// Writes what a target is now, unless that stands there already.
    pub(super) async fn write(&self, target: TargetRecord) -> Result<(), RebuildError> {
        let rebuilds = self.rebuilds.clone();
        blocking(move || {
            rebuilds.with(|ledger| {
                let found = ledger.book().get(&target.rebuild).and_then(|of| of.targets.get(&target.target));
                let is_known = found.is_some_and(|found| {
                    *found == TargetRecord { sequence: found.sequence, ..target.clone() }
                });
                let record = RebuildsRecord::RebuildTarget(Box::new(target));
                if is_known { Ok(()) } else { ledger.commit(vec![record]) }
            })
        })
        .await
    }

    /// The same for what is about to begin, if that may begin still: somebody may have paused or cancelled its rebuild.
    pub(super) async fn write_if_still(&self, target: TargetRecord) -> Result<bool, RebuildError> {
        let rebuilds = self.rebuilds.clone();
        blocking(move || {
            rebuilds.with(|ledger| {
                let rebuild = ledger.book().get(&target.rebuild);
                let is_still = rebuild.is_some_and(|rebuild| {
                    desk::may_begin(rebuild.record, &target, Timestamp::now())
                        && rebuild
                            .targets
                            .get(&target.target)
                            .is_some_and(|found| found.sequence + 1 == target.sequence)
                });
                if is_still {
                    ledger.commit(vec![RebuildsRecord::RebuildTarget(Box::new(target))])?;
                }
                Ok(is_still)
            })
        })
        .await
    }

    /// Asks the index.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Query) -> T + Send + 'static,
    ) -> Result<T, RebuildError> {
        let view = Arc::clone(&self.view);
        blocking(move || Ok(question(&Query::new(view.snapshot())))).await
    }

    /// When the next attempt is, after so many.
    pub(super) fn later(&self, attempts: u32) -> Timestamp {
        let policy = Policy::new(self.options.retry_after, LATEST);
        after(policy.wait(attempts, fastrand::f64()))
    }
}

pub(super) fn after(wait: Duration) -> Timestamp {
    let now = Timestamp::now();
    i64::try_from(wait.as_millis())
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(now.as_millisecond() + millis).ok())
        .unwrap_or(now)
}
