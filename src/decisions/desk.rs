//! Compares what policies say of workloads with what stands on the topic. Pure.

use std::collections::BTreeMap;

use crate::policy::PodVerdict;
use crate::record::decision::{DecisionRecord, Verdict};
use crate::record::{Timestamp, WorkloadRecord};

/// Bytes of the texts of a record, at most: it has to stay far below the largest size.
const TEXTS: usize = 256 << 10;

/// A record to write: the key of a workload and its decision, or `None` for a tombstone.
pub(super) type Write = (String, Option<DecisionRecord>);

/// The decisions that stand on the topic.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// By key; `None` for a record that cannot be read.
    standing: BTreeMap<String, Option<DecisionRecord>>,
}

impl Desk {
    /// Takes over what stands on the topic.
    pub(super) fn put(&mut self, (key, record): Write) {
        match record {
            Some(record) => drop(self.standing.insert(key, Some(record))),
            None => drop(self.standing.remove(&key)),
        }
    }

    /// Notes a record that cannot be read: the next round replaces or deletes it.
    pub(super) fn put_unreadable(&mut self, key: String) {
        self.standing.insert(key, None);
    }

    /// Begins a round: every workload is judged once.
    pub(super) fn round(&self) -> Round<'_> {
        Round { desk: self, found: BTreeMap::new(), is_stale: false }
    }
}

/// The decisions of one round.
pub(super) struct Round<'d> {
    desk: &'d Desk,
    found: BTreeMap<String, DecisionRecord>,
    is_stale: bool,
}

impl Round<'_> {
    /// Takes the verdict on a workload at this time. A verdict on old knowledge changes nothing.
    pub(super) fn take(
        &mut self,
        key: &str,
        workload: &WorkloadRecord,
        verdict: &PodVerdict,
        now: Timestamp,
    ) {
        let standing = self.desk.standing.get(key).and_then(Option::as_ref);
        if verdict.stale {
            self.is_stale = true;
            self.found.extend(standing.map(|record| (key.to_owned(), record.clone())));
            return;
        }
        if verdict.verdict == Verdict::Allowed {
            return;
        }
        let decided = |decided| decision(workload, verdict, decided);
        // The time of a decision is that of its last change.
        let same = standing.filter(|standing| decided(standing.decided) == **standing);
        self.found.insert(key.to_owned(), same.cloned().unwrap_or_else(|| decided(now)));
    }

    /// Returns `true` if a verdict was on old knowledge.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// What differs from the topic, by the keys.
    pub(super) fn differences(self) -> Vec<Write> {
        let Self { desk, found, .. } = self;
        let gone = desk.standing.keys().filter(|key| !found.contains_key(*key));
        let mut writes: Vec<Write> = gone.map(|key| (key.clone(), None)).collect();
        let changed = found
            .into_iter()
            .filter(|(key, record)| desk.standing.get(key).and_then(Option::as_ref) != Some(record));
        writes.extend(changed.map(|(key, record)| (key, Some(record))));
        writes.sort_by(|(a, _), (b, _)| a.cmp(b));
        writes
    }
}

fn decision(workload: &WorkloadRecord, verdict: &PodVerdict, decided: Timestamp) -> DecisionRecord {
    let (findings, more) = verdict.findings(TEXTS);
    DecisionRecord {
        namespace: workload.namespace.clone(),
        kind: workload.kind.clone(),
        name: workload.name.clone(),
        source: workload.source.clone(),
        decided,
        verdict: verdict.verdict,
        decision: verdict.decision,
        findings,
        more,
    }
}
