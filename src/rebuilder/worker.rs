//! Carries out rebuilds: starts the builds that may begin, and checks those under way, several at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::automatic::Automatic;
use super::begin::begin;
use super::context::{Context, Options, blocking};
use super::desk::{self, Place};
use super::look::look;
use super::sink::Sink;
use super::{RebuildError, Rebuilds, Role};
use crate::kubernetes::Cluster;
use crate::oci::Timestamp;
use crate::retry::{Backoff, Policy};
use crate::telemetry::RebuildMetrics;
use crate::view::View;

/// Requests under way at once, at most.
const AT_ONCE: usize = 16;
/// Interval at which the worker looks for targets that may begin.
const TICK: Duration = Duration::from_millis(200);
/// Delays after an error of the log.
const RETRY: Policy = Policy::new(Duration::from_millis(500), Duration::from_secs(32));
/// Delays before a target that could not begin is retried.
const ATTEMPT: Policy = Policy::new(Duration::from_secs(4), Duration::from_secs(60));

/// Carries out the rebuilds on the log, and begins rebuilds by the policies, until another instance takes over. The
/// view must be up to date.
pub async fn run(
    rebuilds: Rebuilds,
    cluster: Option<Cluster>,
    sink: Option<Sink>,
    view: Arc<View>,
    metrics: RebuildMetrics,
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
    // A fenced process stays fenced.
    let mut role = shared.role();
    if *role != Role::Fenced {
        *role = Role::Prepares;
    }
    drop(role);
    ended
}

struct Worker {
    context: Context,
    tasks: JoinSet<Result<(), RebuildError>>,
    /// The target of each task.
    places: HashMap<tokio::task::Id, Place>,
    /// The time of the last check of each target.
    looked: HashMap<Place, Instant>,
    /// The targets that were to begin and did not.
    held: HashMap<Place, Held>,
}

/// A target that could not begin. It is retried at growing intervals.
#[derive(Debug)]
struct Held {
    until: Instant,
    attempts: Backoff,
}

impl Worker {
    async fn work(mut self, mut automatic: Automatic) -> Result<(), RebuildError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut backoff = Backoff::new(RETRY);
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
                Ok(()) => drop(backoff.succeeded()),
                Err(error) if error.is_passing() => {
                    let wait = backoff.failed().wait;
                    tracing::warn!("{error}; trying again in {:.1} s", wait.as_secs_f64());
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Handles the end of a task. A failed write is retried at the next check.
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

    /// Applies all conclusions, starts the builds that may begin, and checks those under way.
    async fn step(&mut self) -> Result<(), RebuildError> {
        let busy: HashSet<Place> = self.places.values().cloned().collect();
        let (rebuilds, caps) = (self.context.rebuilds.clone(), self.context.options.caps);
        let metrics = self.context.metrics.clone();
        let (to_begin, to_look) = blocking(move || {
            rebuilds.with(|ledger| {
                let now = Timestamp::now();
                // One conclusion may lead to the next: targets built on a skipped one are skipped too.
                loop {
                    let records = desk::conclude(ledger.book(), &busy, now);
                    if records.is_empty() {
                        break;
                    }
                    ledger.commit(records)?;
                }
                let begin = desk::begin(ledger.book(), caps, &busy, now);
                let look = desk::look(ledger.book(), &busy);
                metrics.active.set(i64::try_from(ledger.book().active().len()).unwrap_or(0));
                metrics.builds_running.set(i64::try_from(look.len() + busy.len()).unwrap_or(0));
                Ok((begin, look))
            })
        })
        .await?;
        // Checks of very many builds would keep the API server busy, so the interval grows with their number.
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

    /// Returns `true` if it is time to try to begin a target. The target is held from then on, in case it does not
    /// begin.
    fn may_try(&mut self, place: &Place) -> bool {
        let now = Instant::now();
        let held =
            self.held.entry(place.clone()).or_insert(Held { until: now, attempts: Backoff::new(ATTEMPT) });
        if held.until > now {
            return false;
        }
        held.until = now + held.attempts.failed().wait;
        true
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
