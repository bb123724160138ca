//! Begins rebuilds without a command, by the policies of classes.
//!
//! The topic `outdated` names the classes with newly outdated images, but only as a hint. The plan follows from the
//! index once the class has rested, and from the existing rebuilds. So missed records do no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::book::Rebuild;
use super::context::{Context, blocking};
use super::{Means, RebuildError, Rebuilds, Role, Started, build_configs};
use crate::log::{Begin, Followed, Follower, LogError, SharedLog};
use crate::oci::Timestamp;
use crate::query::Query;
use crate::record::rebuild::{RebuildRequest, RebuildState, TargetState};
use crate::record::{
    ClassRecord, RebuildPolicy, RebuildRecord, RebuildTrigger, RebuildsRecord, State, Target, TargetRecord,
    Topic, TransitionRecord, decode,
};
use crate::shard::Shard;

/// Batches of class names that may wait, at most.
const WAITING: usize = 64;
/// Shortest rest before a plan: the index lags a moment behind the topic.
const SHORTEST_REST: Duration = Duration::from_secs(1);
/// A class that never rests gets a plan after this many rests.
const MOST_RESTS: u32 = 10;
/// Targets that cannot be rebuilt and that one plan logs, at most. `clade rebuild --dry-run` lists all of them.
const MOST_TOLD: usize = 10;
/// Interval at which the service looks for classes with a new policy.
const LOOK_AT_CLASSES: Duration = Duration::from_secs(1);

pub(super) struct Automatic {
    /// Batches of classes whose images have become outdated.
    outdated: mpsc::Receiver<BTreeSet<String>>,
    /// The time at which each class has rested.
    due: BTreeMap<String, Due>,
    /// The known classes with a policy, each with its generation and revision.
    known: BTreeMap<String, (u64, u64)>,
    looked: Option<Instant>,
    reader: Follower,
}

/// The time at which a plan for a class is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    /// The latest time, even if more images become outdated meanwhile.
    latest: Instant,
}

impl Automatic {
    /// Starts to follow the topic. All classes with a policy are due at once.
    pub(super) fn start(log: SharedLog) -> Result<Self, RebuildError> {
        let (out, outdated) = mpsc::channel(WAITING);
        let reader = listen(log, out)?;
        Ok(Self { outdated, due: BTreeMap::new(), known: BTreeMap::new(), looked: None, reader })
    }

    /// Begins the rebuilds that are due.
    pub(super) async fn step(&mut self, context: &Context) -> Result<(), RebuildError> {
        let mut named = BTreeSet::new();
        loop {
            match self.outdated.try_recv() {
                Ok(classes) => named.extend(classes),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    let why = self.why_ended();
                    // The next check of all classes finds the records that are missed meanwhile.
                    *self = Self::start(SharedLog::clone(&context.rebuilds.shared.log))?;
                    return Err(why);
                }
            }
        }
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_AT_CLASSES) || !named.is_empty() {
            self.looked = Some(Instant::now());
            self.rest(context, &named);
            let (rebuilds, view) = (context.rebuilds.clone(), Arc::clone(&context.view));
            blocking(move || {
                let query = Query::new(view.snapshot());
                rebuilds.end_homeless(|class, generation| query.has_left(class, generation))
            })
            .await?;
        }
        let now = Instant::now();
        let is_due = |due: &Due| due.at.min(due.latest) <= now;
        let due: Vec<String> =
            self.due.iter().filter(|(_, due)| is_due(due)).map(|(class, _)| class.clone()).collect();
        for class in due {
            if start(context, &class).await? {
                self.due.remove(&class);
            } else {
                let at = now + LOOK_AT_CLASSES;
                self.due.insert(class, Due { at, latest: at });
            }
        }
        Ok(())
    }

    /// Restarts the rest of the named classes, and starts that of classes with a new policy.
    fn rest(&mut self, context: &Context, named: &BTreeSet<String>) {
        let snapshot = context.view.snapshot();
        let Some(catalog) = snapshot.shards().next().map(Shard::catalog) else { return };
        let mut known = BTreeMap::new();
        for class in catalog.classes() {
            let record: &ClassRecord = &class.record;
            let Some(policy) = policy_of(record) else { continue };
            let version = (record.generation, record.revision);
            let is_new = self.known.get(&record.name) != Some(&version);
            if is_new || named.contains(&record.name) {
                let rest = Duration::from_secs(policy.settle_seconds).max(SHORTEST_REST);
                let now = Instant::now();
                let due = self.due.entry(record.name.clone());
                due.or_insert(Due { at: now, latest: now + rest * MOST_RESTS }).at = now + rest;
            }
            known.insert(record.name.clone(), version);
        }
        self.due.retain(|class, _| known.contains_key(class));
        self.known = known;
    }

    fn why_ended(&mut self) -> RebuildError {
        match self.reader.end() {
            Err(error) => error.into(),
            Ok(()) => RebuildError::Ended("the reader of transitions has ended".to_owned()),
        }
    }
}

fn policy_of(class: &ClassRecord) -> Option<&RebuildPolicy> {
    class.rebuild.as_deref().filter(|policy| policy.policy == RebuildTrigger::OnOutdated)
}

/// Plans for a class, and begins the targets that no rebuild of this version has begun. Returns `false` if another
/// rebuild of this version is under way: the rest of the plan waits for it, as it may be built on its builds.
async fn start(context: &Context, class: &str) -> Result<bool, RebuildError> {
    let (context, class) = (context.clone(), class.to_owned());
    blocking(move || {
        let query = Query::new(context.view.snapshot());
        let found = query.class_record(&class);
        let Some((record, policy)) = found.as_ref().and_then(|of| Some((of, policy_of(of)?))) else {
            return Ok(true);
        };
        context.rebuilds.supersede(record)?;
        let Some(begun) = context.rebuilds.begun_for(record)? else { return Ok(false) };
        let request = RebuildRequest {
            class: class.clone(),
            all: false,
            namespace: None,
            group: None,
            selector: None,
            notify: context.sink.is_some(),
            priority: policy.priority,
            limits: policy.limits.clone(),
            reason: Some(format!("{class} has a new version")),
            requested_by: None,
        };
        let build_configs = build_configs(&*context.rebuilds.shared.log)?;
        let plan = match query.plan(request, &build_configs) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::warn!(class, "cannot plan a rebuild: {error}");
                return Ok(true);
            }
        };
        drop(query);
        // Without a cluster the sink can be notified, but nothing can be built.
        let plan = if context.cluster.is_some() { plan } else { plan.only_told() };
        let plan = plan.without(|target| begun.get(target).copied());
        for problem in plan.problems.iter().take(MOST_TOLD) {
            tracing::warn!(class, target = %problem.target, "cannot be rebuilt: {}", problem.message);
        }
        if plan.targets.is_empty() {
            tracing::debug!(class, problems = plan.problems.len(), "nothing is to be rebuilt");
            return Ok(true);
        }
        match context.rebuilds.start(plan, Started::ByPolicy) {
            Ok(record) => {
                tracing::info!(
                    rebuild = record.id,
                    targets = record.targets,
                    "a rebuild has begun by itself"
                );
                Ok(true)
            }
            Err(RebuildError::Invalid(problem)) => {
                tracing::warn!(class, "no rebuild was begun: {problem}");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    })
    .await
}

impl Rebuilds {
    /// Returns the targets that rebuilds for this version of a class have begun, and for each whether its build has
    /// succeeded. Returns `None` while one of these rebuilds is under way. A policy builds nothing twice, and does not
    /// continue a rebuild that somebody has cancelled.
    pub(super) fn begun_for(
        &self,
        class: &ClassRecord,
    ) -> Result<Option<BTreeMap<Target, bool>>, RebuildError> {
        self.with(|ledger| {
            let same = |of: &Rebuild<'_>| {
                let RebuildRecord { request, basis, .. } = of.record;
                request.class == class.name
                    && (basis.generation, basis.revision) == (class.generation, class.revision)
            };
            if ledger.book().active().iter().any(same) {
                return Ok(None);
            }
            let mut begun = BTreeMap::new();
            for of in ledger.book().iter().filter(same) {
                let counts = |target: &&TargetRecord| match target.state {
                    TargetState::Succeeded | TargetState::Failed => true,
                    _ => target.wave > 0 && (of.record.automatic || target.attempts > 0),
                };
                for target in of.targets.values().filter(counts) {
                    *begun.entry(target.target.clone()).or_default() |=
                        target.state == TargetState::Succeeded;
                }
            }
            Ok(Some(begun))
        })
    }

    /// Ends automatic rebuilds for an earlier version of a class: the plan for the new version contains their remaining
    /// targets.
    fn supersede(&self, class: &ClassRecord) -> Result<(), RebuildError> {
        self.end("a newer version of the class has taken over; what runs goes on", |record| {
            record.automatic
                && record.request.class == class.name
                && (record.basis.generation, record.basis.revision) < (class.generation, class.revision)
        })
    }

    /// Ends rebuilds of classes that are gone, or that follow another reference now.
    pub(super) fn end_homeless(&self, has_left: impl Fn(&str, u64) -> bool) -> Result<(), RebuildError> {
        self.end("its class was deleted, or follows something else now; what runs goes on", |record| {
            has_left(&record.request.class, record.basis.generation)
        })
    }

    fn end(&self, message: &str, is_over: impl Fn(&RebuildRecord) -> bool) -> Result<(), RebuildError> {
        self.with(|ledger| {
            let cancelled = |record: &RebuildRecord| {
                let (state, sequence) = (RebuildState::Cancelled, record.sequence + 1);
                let (message, updated) = (message.to_owned(), Timestamp::now());
                let record =
                    RebuildRecord { state, message, sequence, updated, changed_by: None, ..record.clone() };
                RebuildsRecord::Rebuild(Box::new(record))
            };
            let old = ledger.book().iter().filter(|of| !of.record.state.is_final() && is_over(of.record));
            let records: Vec<RebuildsRecord> = old.map(|of| cancelled(of.record)).collect();
            if records.is_empty() { Ok(()) } else { ledger.commit(records) }
        })
    }

    /// Marks this process as the one that carries out rebuilds.
    pub(super) fn activate(&self, has_cluster: bool, has_sink: bool) {
        *self.shared.role() = Role::CarriesOut(Means { cluster: has_cluster, sink: has_sink });
    }
}

/// Sends the names of classes with newly outdated images to `out`, until its receiver is gone.
fn listen(log: SharedLog, out: mpsc::Sender<BTreeSet<String>>) -> Result<Follower, LogError> {
    Follower::start(log, Topic::Outdated, Begin::End, move |followed| {
        let Followed::Records(fetched) = followed else { return ControlFlow::Continue(()) };
        let transitions = fetched
            .records
            .iter()
            .filter_map(|stored| decode::<TransitionRecord>(&stored.record).ok().flatten());
        let is_outdated = |of: &TransitionRecord| of.to.is_some_and(|to| to.state == State::Outdated);
        let classes: BTreeSet<String> = transitions.filter(is_outdated).map(|of| of.class).collect();
        if !classes.is_empty() && out.blocking_send(classes).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
}
