//! All rebuilds as the records of the topic define them. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::rebuild::{Action, RebuildState, TargetState};
use crate::record::{RebuildRecord, RebuildsKey, RebuildsRecord, Target, TargetRecord};

/// Every rebuild with its targets. Targets without a rebuild belong to a plan that was not written to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    records: BTreeMap<String, RebuildRecord>,
    targets: BTreeMap<String, BTreeMap<Target, TargetRecord>>,
}

/// One rebuild with its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebuild<'a> {
    pub(super) record: &'a RebuildRecord,
    pub(super) targets: &'a BTreeMap<Target, TargetRecord>,
}

static NONE: BTreeMap<Target, TargetRecord> = BTreeMap::new();

/// The number of targets of a rebuild by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Targets whose build was not started.
    pub waiting: u32,
    /// Targets whose build is starting or running.
    pub running: u32,
    /// Targets that were built.
    pub succeeded: u32,
    /// Targets whose build failed.
    pub failed: u32,
    /// Targets that were not built, for the reasons in their messages.
    pub skipped: u32,
}

impl Book {
    /// Applies a record; `None` deletes its key.
    pub(super) fn apply(&mut self, key: &RebuildsKey, record: Option<RebuildsRecord>) {
        match (key, record) {
            (RebuildsKey::Rebuild(id), Some(RebuildsRecord::Rebuild(record))) => {
                self.records.insert(id.clone(), *record);
            }
            (RebuildsKey::Target(id, target), Some(RebuildsRecord::RebuildTarget(record))) => {
                self.targets.entry(id.clone()).or_default().insert(target.clone(), *record);
            }
            (RebuildsKey::Rebuild(id), None) => drop(self.records.remove(id)),
            (RebuildsKey::Target(id, target), None) => {
                if let Some(targets) = self.targets.get_mut(id) {
                    targets.remove(target);
                    if targets.is_empty() {
                        self.targets.remove(id);
                    }
                }
            }
            // The record does not match the kind of its key. clade writes none such.
            _ => {}
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Rebuild<'_>> {
        self.records.get(id).map(|record| self.with_targets(record))
    }

    /// Returns all rebuilds, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Rebuild<'_>> {
        self.records.values().map(|record| self.with_targets(record))
    }

    /// Returns the targets without a rebuild.
    pub(super) fn orphans(&self) -> impl Iterator<Item = RebuildsKey> {
        let orphaned = self.targets.iter().filter(|(id, _)| !self.records.contains_key(*id));
        orphaned.flat_map(|(id, of)| of.keys().map(|target| RebuildsKey::Target(id.clone(), target.clone())))
    }

    fn with_targets<'a>(&'a self, record: &'a RebuildRecord) -> Rebuild<'a> {
        Rebuild { record, targets: self.targets.get(&record.id).unwrap_or(&NONE) }
    }

    /// Returns the rebuilds that are not over, in the order in which their builds begin: by priority, then by age.
    pub(super) fn active(&self) -> Vec<Rebuild<'_>> {
        let is_active = |rebuild: &Rebuild<'_>| {
            rebuild.record.state != RebuildState::Finished
                && !(rebuild.record.state == RebuildState::Cancelled && rebuild.is_done())
        };
        let mut active: Vec<Rebuild<'_>> = self.iter().filter(is_active).collect();
        active.sort_by(|a, b| {
            let key = |of: &Rebuild<'_>| (std::cmp::Reverse(of.record.request.priority), of.record.created);
            key(a).cmp(&key(b)).then_with(|| a.record.id.cmp(&b.record.id))
        });
        active
    }
}

impl Rebuild<'_> {
    /// Returns `true` if the state of every target is final.
    pub(super) fn is_done(&self) -> bool {
        self.targets.values().all(|target| target.state.is_final())
    }

    /// Returns the first wave with a target that is not final.
    pub(super) fn wave(&self) -> Option<u32> {
        self.wave_of(false).or_else(|| self.wave_of(true))
    }

    /// Returns the first such wave, only among the targets that the sink is notified of (`is_told`) or only among the
    /// others.
    pub(super) fn wave_of(&self, is_told: bool) -> Option<u32> {
        let left = self.targets.values().filter(|target| !target.state.is_final());
        left.filter(|target| (target.action == Action::Notify) == is_told).map(|target| target.wave).min()
    }

    /// Returns the number of failed builds. Failures of builds that others start do not stop clade's.
    pub(super) fn failed_builds(&self) -> u32 {
        let failed = |of: &&TargetRecord| of.state == TargetState::Failed && of.action != Action::Notify;
        u32::try_from(self.targets.values().filter(failed).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for target in self.targets.values() {
            match target.state {
                TargetState::Waiting => progress.waiting += 1,
                TargetState::Starting | TargetState::Running => progress.running += 1,
                TargetState::Succeeded => progress.succeeded += 1,
                TargetState::Failed => progress.failed += 1,
                TargetState::Skipped => progress.skipped += 1,
            }
        }
        progress
    }
}
