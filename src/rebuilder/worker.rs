//! Carrying rebuilds out: what may begin is begun, what was begun is looked at, some at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::automatic::Automatic;
use super::begin::begin;
use super::context::{Context, Options, blocking, jittered};
use super::desk::{self, Place};
use super::look::look;
use super::sink::Sink;
use super::{RebuildError, Rebuilds};
use crate::kubernetes::Cluster;
use crate::oci::Timestamp;
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
