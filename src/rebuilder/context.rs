//! The context of a step on a target: reads the target and the index, and writes the result.

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

/// Longest delay before a failed build is retried.
const LATEST: Duration = Duration::from_secs(15 * 60);

/// The options of the rebuilder.
#[derive(Debug, Clone)]
pub struct Options {
    /// The limits over all rebuilds together.
    pub caps: Caps,
    /// Interval at which the state of a build is requested; longer if there are hundreds of builds.
    pub look_every: Duration,
    /// Time after which clade starts a build itself, if its trigger has not although everything is ready.
    pub trigger_patience: Duration,
    /// Delay before a failed build is retried. It doubles with each attempt.
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

/// The services that a step uses.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) rebuilds: Rebuilds,
    pub(super) cluster: Option<Cluster>,
    pub(super) sink: Option<Arc<Sink>>,
    pub(super) view: Arc<View>,
    pub(super) metrics: RebuildMetrics,
    pub(super) options: Options,
}

/// The data that a step on a target needs.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) target: TargetRecord,
    pub(super) limits: RebuildLimits,
    /// `true` if the rebuild is running and its window is open.
    pub(super) may_begin: bool,
    /// The time from which a build contains everything that it is rebuilt for.
    pub(super) ready_at: Timestamp,
    /// The time at which the rebuild was planned.
    pub(super) planned: Timestamp,
    /// The class and its generation: another class of the same name is irrelevant to the target.
    pub(super) class: String,
    pub(super) generation: u64,
    /// The reason that is written on a build.
    pub(super) message: String,
}

/// Runs blocking work on a thread for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RebuildError> + Send + 'static,
) -> Result<T, RebuildError> {
    spawn_blocking(work).await.map_err(|panicked| RebuildError::Ended(panicked.to_string()))?
}

impl Context {
    /// Returns the cluster that has the BuildConfigs.
    pub(super) fn cluster(&self) -> Result<&Cluster, BuildError> {
        let none =
            || BuildError::Refused("this clade works with no cluster: start it with --kubernetes".to_owned());
        self.cluster.as_ref().ok_or_else(none)
    }

    /// Reads the data of a target. Returns `None` if the target is final or gone.
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

    /// Writes a target, unless its record is the same already.
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

    /// Writes a target that is about to begin, unless somebody has paused or cancelled its rebuild meanwhile. Returns
    /// `false` if so.
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

    /// Queries the index.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Query) -> T + Send + 'static,
    ) -> Result<T, RebuildError> {
        let view = Arc::clone(&self.view);
        blocking(move || Ok(question(&Query::new(view.snapshot())))).await
    }

    /// Returns the time of the next attempt, after this many.
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
