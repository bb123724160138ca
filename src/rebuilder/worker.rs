//! Carrying rebuilds out: what may begin is begun, what was begun is looked at, some at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};

use super::automatic::Automatic;
use super::begin::begin;
use super::desk::{self, Caps, Place};
use super::look::{Known, look};
use super::sink::Sink;
use super::{RebuildError, Rebuilds};
use crate::kubernetes::{BuildError, Cluster};
use crate::oci::Timestamp;
use crate::query::Query;
use crate::record::{RebuildsRecord, TargetRecord};
use crate::telemetry::Metrics;
use crate::view::View;

/// So many requests are under way at once.
const AT_ONCE: usize = 16;
/// How often is looked whether something may begin.
const TICK: Duration = Duration::from_millis(200);
/// After an error of the log: the first wait, doubled each time, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(32);
/// What could not begin is tried again after about so long, then twice as long, up to the longest.
const SOON: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(60);
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
    pub(super) metrics: Metrics,
    pub(super) options: Options,
}

/// Carries out what is on the log, and begins rebuilds as policies say, until another instance takes over. The view must
/// be up to date.
pub async fn run(
    rebuilds: Rebuilds,
    cluster: Option<Cluster>,
    sink: Option<Sink>,
    view: Arc<View>,
    metrics: Metrics,
    options: Options,
) -> Result<(), RebuildError> {
    rebuilds.activate(cluster.is_some(), sink.is_some());
    let automatic = Automatic::start(Arc::clone(&rebuilds.shared.log))?;
    let shared = Arc::clone(&rebuilds.shared);
    let context = Context { rebuilds, cluster, sink: sink.map(Arc::new), view, metrics, options };
    let worker = Worker {
        context,
        tasks: JoinSet::new(),
        places: HashMap::new(),
        looked: HashMap::new(),
        held: HashMap::new(),
    };
    let ended = worker.work(automatic).await;
    shared.is_active.store(false, Ordering::Relaxed);
    ended
}

struct Worker {
    context: Context,
    tasks: JoinSet<Result<(), RebuildError>>,
    /// What each task is about.
    places: HashMap<tokio::task::Id, Place>,
    /// When each was looked at last.
    looked: HashMap<Place, Instant>,
    /// Those that were to begin and did not.
    held: HashMap<Place, Held>,
}

/// A target that could not begin: it is tried again later, and ever later.
#[derive(Debug, Clone, Copy)]
struct Held {
    until: Instant,
    wait: Duration,
}

impl Worker {
    async fn work(mut self, mut automatic: Automatic) -> Result<(), RebuildError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.end(ended)?;
                    continue;
                }
                () = self.context.rebuilds.shared.changed.notified() => {}
                _ = tick.tick() => {}
            }
            let stepped = match self.step().await {
                Ok(()) => automatic.step(&self.context).await,
                error => error,
            };
            match stepped {
                Ok(()) => failures = 0,
                Err(error) if error.is_passing() => {
                    let wait = (FIRST_WAIT * 2_u32.pow(failures.min(10))).min(LONGEST_WAIT);
                    failures += 1;
                    tracing::warn!("{error}; trying again in {:.1} s", wait.as_secs_f64());
                    tokio::time::sleep(jittered(wait)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A task has ended; what it could not write is tried again at the next look.
    fn end(
        &mut self,
        ended: Result<(tokio::task::Id, Result<(), RebuildError>), tokio::task::JoinError>,
    ) -> Result<(), RebuildError> {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            Err(panicked) => (panicked.id(), Err(RebuildError::Ended(panicked.to_string()))),
        };
        let place = self.places.remove(&task);
        match outcome {
            Err(error) if error.is_fenced() => Err(error),
            Err(error) => {
                tracing::warn!(?place, "{error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Concludes what can be concluded, begins what may begin and looks at what was begun.
    async fn step(&mut self) -> Result<(), RebuildError> {
        let busy: HashSet<Place> = self.places.values().cloned().collect();
        let (rebuilds, caps) = (self.context.rebuilds.clone(), self.context.options.caps);
        let metrics = self.context.metrics.clone();
        let (to_begin, to_look) = blocking(move || {
            rebuilds.with(|ledger| {
                let now = Timestamp::now();
                // One conclusion may lead to the next: what hangs on what is skipped is skipped.
                loop {
                    let records = desk::conclude(ledger.book(), &busy, now);
                    if records.is_empty() {
                        break;
                    }
                    ledger.commit(records)?;
                }
                let begin = desk::begin(ledger.book(), caps, &busy, now);
                let look = desk::look(ledger.book(), &busy);
                metrics.rebuilds_active.set(i64::try_from(ledger.book().active().len()).unwrap_or(0));
                metrics.builds_running.set(i64::try_from(look.len() + busy.len()).unwrap_or(0));
                Ok((begin, look))
            })
        })
        .await?;
        // A look at each of very many would be all that the API server has to do.
        let every = self.context.options.look_every.max(Duration::from_millis(10) * count(to_look.len()));
        self.looked.retain(|_, at| at.elapsed() < every);
        let is_trying: HashSet<&Place> = self.places.values().chain(&to_begin).collect();
        self.held.retain(|place, _| is_trying.contains(place));
        for place in to_begin {
            if self.tasks.len() >= AT_ONCE {
                return Ok(());
            }
            if !self.may_try(&place) {
                continue;
            }
            let context = self.context.clone();
            let of = place.clone();
            let task = self.tasks.spawn(async move { begin(&context, &of).await });
            self.places.insert(task.id(), place);
        }
        for place in to_look {
            if self.tasks.len() >= AT_ONCE {
                return Ok(());
            }
            if self.looked.contains_key(&place) {
                continue;
            }
            self.looked.insert(place.clone(), Instant::now());
            let context = self.context.clone();
            let of = place.clone();
            let task = self.tasks.spawn(async move { look(&context, &of).await });
            self.places.insert(task.id(), place);
        }
        Ok(())
    }
}

impl Worker {
    /// Whether it is time to try to begin a target. It is held from then on, for the case that it does not begin.
    fn may_try(&mut self, place: &Place) -> bool {
        let now = Instant::now();
        let wait = match self.held.get(place) {
            Some(held) if held.until > now => return false,
            Some(held) => (held.wait * 2).min(LATER),
            None => SOON,
        };
        self.held.insert(place.clone(), Held { until: now + jittered(wait), wait });
        true
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
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
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        after(self.options.retry_after.saturating_mul(doubled).min(LATEST))
    }
}

/// About so long, and not everybody at once.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.75 + fastrand::f64() / 2.0)
}

pub(super) fn after(wait: Duration) -> Timestamp {
    let wait = jittered(wait);
    let now = Timestamp::now();
    i64::try_from(wait.as_millis())
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(now.as_millisecond() + millis).ok())
        .unwrap_or(now)
}
