//! Decides the next steps: which builds may begin, which rebuilds are over, which have to stop. Pure.

use std::collections::{BTreeMap, HashSet};

use super::book::{Book, Progress, Rebuild};
use crate::oci::Timestamp;
use crate::record::rebuild::{Action, RebuildState, TargetState};
use crate::record::{RebuildRecord, RebuildsRecord, Target, TargetRecord};

/// A target of a rebuild.
pub(super) type Place = (String, Target);

/// The limits over all rebuilds together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Builds at once in the whole cluster, at most.
    pub builds: Option<u32>,
    /// Builds at once in one namespace, at most.
    pub builds_per_namespace: Option<u32>,
}

/// Returns the records that follow from the book alone: targets to skip, rebuilds to stop or finish. Targets in `busy`
/// are left alone.
pub(super) fn conclude(book: &Book, busy: &HashSet<Place>, now: Timestamp) -> Vec<RebuildsRecord> {
    let mut records = Vec::new();
    let active = book.active();
    for rebuild in &active {
        let skipped = skips(rebuild, busy, now);
        if skipped.is_empty() {
            records.extend(
                advance(rebuild, &active, now).map(|record| RebuildsRecord::Rebuild(Box::new(record))),
            );
        }
        records.extend(skipped.into_iter().map(|record| RebuildsRecord::RebuildTarget(Box::new(record))));
    }
    records
}

/// Returns the targets that will never be built: a base was not built, or the rebuild was cancelled.
fn skips(rebuild: &Rebuild<'_>, busy: &HashSet<Place>, now: Timestamp) -> Vec<TargetRecord> {
    // For targets that the sink was notified of, nothing runs here.
    let is_told = |target: &TargetRecord| {
        rebuild.record.state == RebuildState::Cancelled
            && target.action == Action::Notify
            && target.state == TargetState::Running
    };
    let is_free = |target: &&TargetRecord| {
        (target.state == TargetState::Waiting || is_told(target))
            && !busy.contains(&(target.rebuild.clone(), target.target.clone()))
    };
    let reason = |target: &TargetRecord| {
        if rebuild.record.state == RebuildState::Cancelled {
            let told = if target.state == TargetState::Running { ", after its notification" } else { "" };
            return Some(format!("the rebuild was cancelled{told}"));
        }
        let lost = target.after.iter().find(|base| {
            let state = rebuild.targets.get(base).map(|base| base.state);
            matches!(state, Some(TargetState::Failed | TargetState::Skipped))
        })?;
        Some(format!("{lost}, which it is built on, was not built"))
    };
    let waiting = rebuild.targets.values().filter(is_free);
    waiting
        .filter_map(|target| Some(changed(target, TargetState::Skipped, reason(target)?).at_end(now)))
        .collect()
}

/// Returns the rebuild with its new state, if that differs.
fn advance(rebuild: &Rebuild<'_>, active: &[Rebuild<'_>], now: Timestamp) -> Option<RebuildRecord> {
    let record = rebuild.record;
    let progress = rebuild.progress();
    let (state, message) = if rebuild.is_done() && !record.state.is_final() {
        (RebuildState::Finished, summary(&progress))
    } else if record.state != RebuildState::Running {
        return None;
    } else if rebuild.failed_builds().saturating_sub(record.forgiven) >= record.request.limits.max_failures {
        let message = format!(
            "stopped: {} targets could not be built; `clade rebuild resume {}` goes on with the others, `clade \
             rebuild cancel {}` ends it",
            rebuild.failed_builds(),
            record.id,
            record.id
        );
        (RebuildState::Stopped, message)
    } else {
        let is_closed = !record.request.limits.is_open(now);
        let wait = match holder(rebuild, active) {
            _ if is_closed => "; waits for its window".to_owned(),
            Some(holder) => {
                format!("; waits for {}, which is {} and has its targets", holder.id, holder.state)
            }
            None => String::new(),
        };
        (RebuildState::Running, format!("wave {} of {}{wait}", rebuild.wave()?, record.waves))
    };
    (state != record.state || message != record.message).then(|| {
        let sequence = record.sequence + 1;
        RebuildRecord { state, message, sequence, changed_by: None, updated: now, ..record.clone() }
    })
}

/// Returns the rebuild that has begun the next targets of this one, if this one has nothing under way itself.
fn holder<'a>(rebuild: &Rebuild<'_>, active: &[Rebuild<'a>]) -> Option<&'a RebuildRecord> {
    if rebuild.progress().running > 0 {
        return None;
    }
    let wave = rebuild.wave()?;
    let is_next = |target: &&TargetRecord| target.state == TargetState::Waiting && target.wave == wave;
    let mut holders = rebuild.targets.values().filter(is_next).flat_map(|target| {
        active.iter().filter(|other| {
            let found = other.targets.get(&target.target);
            other.record.id != rebuild.record.id
                && found.is_some_and(|of| matches!(of.state, TargetState::Starting | TargetState::Running))
        })
    });
    holders.next().map(|holder| holder.record)
}

fn summary(progress: &Progress) -> String {
    format!("{} built, {} failed, {} not built", progress.succeeded, progress.failed, progress.skipped)
}

/// Returns `true` if the rebuild allows this target to begin at this moment. A target of a trigger may begin outside
/// the window too: clade only waits for its build.
pub(super) fn may_begin(rebuild: &RebuildRecord, target: &TargetRecord, now: Timestamp) -> bool {
    rebuild.state == RebuildState::Running
        && (target.action == Action::Trigger || rebuild.request.limits.is_open(now))
}

/// Returns the targets whose builds may begin now, those of the most urgent rebuild first.
pub(super) fn begin(book: &Book, caps: Caps, busy: &HashSet<Place>, now: Timestamp) -> Vec<Place> {
    let mut running = Running::default();
    for rebuild in book.active() {
        for target in rebuild.targets.values().filter(|target| !target.state.is_final()) {
            let is_busy = busy.contains(&(target.rebuild.clone(), target.target.clone()));
            if is_busy || matches!(target.state, TargetState::Starting | TargetState::Running) {
                running.add(target);
            }
        }
    }
    let mut places = Vec::new();
    for rebuild in book.active() {
        if rebuild.record.state != RebuildState::Running {
            continue;
        }
        // Receivers of notifications take their time; builds do not wait for them.
        let waves = [rebuild.wave_of(false), rebuild.wave_of(true)];
        let is_next = |of: &&TargetRecord| waves[usize::from(of.action == Action::Notify)] == Some(of.wave);
        let waiting = rebuild.targets.values().filter(|of| of.state == TargetState::Waiting).filter(is_next);
        for target in waiting {
            let place = (target.rebuild.clone(), target.target.clone());
            let is_due = target.not_before.is_none_or(|at| at <= now) && !busy.contains(&place);
            let is_allowed = may_begin(rebuild.record, target, now)
                && (target.action == Action::Trigger || running.allows(target, &rebuild, caps));
            if is_due && is_allowed && !running.targets.contains(&target.target) {
                running.add(target);
                places.push(place);
            }
        }
    }
    places
}

/// The running builds, counted by limit.
#[derive(Default)]
struct Running {
    all: u32,
    namespaces: BTreeMap<String, u32>,
    rebuilds: BTreeMap<String, u32>,
    namespaces_of: BTreeMap<(String, String), u32>,
    /// Tags that the sink was notified of, by rebuild. They are built elsewhere.
    told: BTreeMap<String, u32>,
    /// Targets under way: no target is built for two rebuilds at once.
    targets: HashSet<Target>,
}

impl Running {
    fn add(&mut self, target: &TargetRecord) {
        self.targets.insert(target.target.clone());
        // A trigger would start its build anyway, so that build takes nobody's place.
        match target.action {
            Action::Trigger => return,
            Action::Notify => {
                *self.told.entry(target.rebuild.clone()).or_default() += 1;
                return;
            }
            Action::Build => {}
        }
        let namespace = target.target.namespace().to_owned();
        self.all += 1;
        *self.rebuilds.entry(target.rebuild.clone()).or_default() += 1;
        *self.namespaces_of.entry((target.rebuild.clone(), namespace.clone())).or_default() += 1;
        *self.namespaces.entry(namespace).or_default() += 1;
    }

    fn allows(&self, target: &TargetRecord, rebuild: &Rebuild<'_>, caps: Caps) -> bool {
        let namespace = target.target.namespace();
        let limits = &rebuild.record.request.limits;
        let of = |counts: &BTreeMap<String, u32>, key: &str| counts.get(key).copied().unwrap_or(0);
        if target.action == Action::Notify {
            return of(&self.told, &target.rebuild) < limits.max_concurrent;
        }
        let key = (target.rebuild.clone(), namespace.to_owned());
        let here = self.namespaces_of.get(&key).copied().unwrap_or(0);
        of(&self.rebuilds, &target.rebuild) < limits.max_concurrent
            && limits.max_concurrent_per_namespace.is_none_or(|most| here < most)
            && caps.builds.is_none_or(|most| self.all < most)
            && caps.builds_per_namespace.is_none_or(|most| of(&self.namespaces, namespace) < most)
    }
}

/// Returns the targets whose builds are under way and have to be checked.
pub(super) fn look(book: &Book, busy: &HashSet<Place>) -> Vec<Place> {
    let of = |rebuild: Rebuild<'_>| -> Vec<Place> {
        let is_begun =
            |target: &&TargetRecord| matches!(target.state, TargetState::Starting | TargetState::Running);
        let begun = rebuild.targets.values().filter(is_begun);
        begun.map(|target| (target.rebuild.clone(), target.target.clone())).collect()
    };
    book.active().into_iter().flat_map(of).filter(|place| !busy.contains(place)).collect()
}

/// Returns the time from which a build of this target contains everything that it is rebuilt for, in whole seconds, as
/// the API server's times. A build that a base triggers may begin as soon as the base is pushed, which is before the
/// build of the base has ended.
pub(super) fn ready_at(rebuild: &Rebuild<'_>, target: &TargetRecord) -> Timestamp {
    let is_watched = |base: &Target| target.action == Action::Trigger && target.triggered_by.contains(base);
    let there = target.after.iter().filter_map(|name| {
        let base = rebuild.targets.get(name)?;
        if is_watched(name) { base.started } else { base.ended.or(base.started) }
    });
    let basis = rebuild.record.basis.since.unwrap_or(rebuild.record.created);
    let at = there.chain([basis]).max().unwrap_or(basis);
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Returns the target with a new state.
pub(super) fn changed(target: &TargetRecord, state: TargetState, message: impl Into<String>) -> TargetRecord {
    TargetRecord { state, message: message.into(), sequence: target.sequence + 1, ..target.clone() }
}

impl TargetRecord {
    /// Returns the target as ended at this moment, unless it has another end already.
    pub(super) fn at_end(self, now: Timestamp) -> Self {
        Self { ended: self.ended.or(Some(now)), ..self }
    }
}
