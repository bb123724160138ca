//! Reads and writes the topic `rebuilds`. One process writes it.

use std::collections::BTreeSet;

use super::book::Book;
use super::{RebuildError, Started};
use crate::log::{Batch, Log, TopicPartition, Writer, check_size, for_each};
use crate::oci::Timestamp;
use crate::plan::Plan;
use crate::record::rebuild::{Action, Reason, RebuildState, TargetState};
use crate::record::{
    RebuildRecord, RebuildsKey, RebuildsRecord, Target, TargetRecord, Topic, decode, encode, tombstone,
};

/// The name of the writer. The last process that opens it is the one that may write.
const WRITER: &str = "rebuilder";
/// Finished rebuilds that are kept, at most.
const REMEMBERED: usize = 200;
/// Records that become visible together, at most.
const BATCH: usize = 1_000;
const PLACE: TopicPartition = TopicPartition { topic: Topic::Rebuilds, partition: 0 };

/// Reads the whole topic, for a process that only reads.
pub(super) fn read(log: &dyn Log) -> Result<Book, RebuildError> {
    let mut book = Book::default();
    for_each(log, PLACE, |stored| {
        let Some(key) = RebuildsKey::parse(&stored.record.key) else { return };
        match decode::<RebuildsRecord>(&stored.record) {
            Ok(record) => book.apply(&key, record),
            Err(error) => tracing::warn!(%key, "a record of a rebuild cannot be read: {error}"),
        }
    })?;
    Ok(book)
}

/// The right to write, and the content of the topic.
pub(super) struct Ledger {
    writer: Box<dyn Writer>,
    book: Book,
}

impl Ledger {
    /// Takes over from an earlier writer, and reads the whole topic.
    pub(super) fn open(log: &dyn Log) -> Result<Self, RebuildError> {
        // The writer first: from then on no other process adds records.
        let writer = log.writer(WRITER)?;
        Ok(Self { writer, book: read(log)? })
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// Writes records, then applies them.
    pub(super) fn commit(&mut self, records: Vec<RebuildsRecord>) -> Result<(), RebuildError> {
        self.write(records.into_iter().map(|record| (record.key(), Some(record))).collect())
    }

    fn write(&mut self, records: Vec<(RebuildsKey, Option<RebuildsRecord>)>) -> Result<(), RebuildError> {
        let mut batch = Batch::with_capacity(records.len());
        for (key, record) in &records {
            let encoded = match record {
                Some(record) => encode(key.to_string(), record)
                    .map_err(|error| RebuildError::Invalid(format!("{key} cannot be written: {error}")))?,
                None => tombstone::<RebuildsRecord>(key.to_string(), format!("{key}@gone")),
            };
            check_size(PLACE, &encoded)?;
            batch.push((PLACE, encoded));
        }
        if !batch.is_empty() {
            self.writer.append(batch)?;
        }
        for (key, record) in records {
            self.book.apply(&key, record);
        }
        Ok(())
    }

    /// Writes a plan down. The worker carries it out from then on.
    pub(super) fn start(
        &mut self,
        plan: Plan,
        started: Started,
        now: Timestamp,
    ) -> Result<RebuildRecord, RebuildError> {
        let class = &plan.request.class;
        let numbers = self.book.iter().filter(|of| of.record.request.class == *class);
        let number = numbers.map(|of| of.record.number).max().unwrap_or(0) + 1;
        let record = RebuildRecord {
            id: format!("{class}-{number}"),
            number,
            sequence: 1,
            request: plan.request.clone(),
            basis: plan.basis,
            automatic: started == Started::ByPolicy,
            created: now,
            updated: now,
            state: RebuildState::Running,
            message: format!("wave 1 of {}", plan.cost.waves),
            waves: plan.cost.waves,
            targets: u32::try_from(plan.targets.len() + plan.problems.len()).unwrap_or(u32::MAX),
            changed_by: None,
            forgiven: 0,
        };
        self.forget_old()?;
        // Targets that the plan found impossible are recorded with the result of the others.
        let impossible = plan.problems.into_iter().map(|problem| {
            keyed(TargetRecord {
                state: TargetState::Skipped,
                message: problem.message,
                ended: Some(now),
                ..unbegun(&record.id, problem.target)
            })
        });
        let targets: Vec<(RebuildsKey, Option<RebuildsRecord>)> = plan
            .targets
            .into_iter()
            .map(|planned| {
                let target = TargetRecord {
                    wave: planned.wave,
                    action: planned.action,
                    reason: planned.reason,
                    after: planned.after,
                    triggered_by: planned.triggered_by,
                    output: planned.output,
                    ..unbegun(&record.id, planned.target)
                };
                keyed(target)
            })
            .chain(impossible)
            .collect();
        // The rebuild comes last: until it is written, its targets belong to none.
        for portion in targets.chunks(BATCH) {
            self.write(portion.to_vec())?;
        }
        self.commit(vec![RebuildsRecord::Rebuild(Box::new(record.clone()))])?;
        Ok(record)
    }

    /// Deletes the oldest finished rebuilds, except the newest of each class, whose number the next one continues. It
    /// also deletes the targets of plans that were not written to their end.
    fn forget_old(&mut self) -> Result<(), RebuildError> {
        let mut over: Vec<_> =
            self.book.iter().filter(|of| of.record.state.is_final() && of.is_done()).collect();
        over.sort_by_key(|of| std::cmp::Reverse(of.record.created));
        let mut newest = BTreeSet::new();
        over.retain(|of| !newest.insert(of.record.request.class.clone()));
        let mut gone: Vec<(RebuildsKey, Option<RebuildsRecord>)> =
            self.book.orphans().map(|key| (key, None)).collect();
        for rebuild in over.into_iter().skip(REMEMBERED) {
            let id = &rebuild.record.id;
            gone.extend(rebuild.targets.keys().map(|of| (RebuildsKey::Target(id.clone(), of.clone()), None)));
            gone.push((RebuildsKey::Rebuild(id.clone()), None));
        }
        gone.chunks(BATCH).try_for_each(|portion| self.write(portion.to_vec()))
    }
}

/// Returns a target without any result.
fn unbegun(rebuild: &str, target: Target) -> TargetRecord {
    TargetRecord {
        rebuild: rebuild.to_owned(),
        target,
        sequence: 1,
        wave: 0,
        action: Action::Build,
        reason: Reason { input: String::new(), version: None, state: None, message: String::new() },
        after: Vec::new(),
        triggered_by: Vec::new(),
        output: None,
        state: TargetState::Waiting,
        message: String::new(),
        attempts: 0,
        last_version: None,
        build: None,
        started: None,
        ended: None,
        requested: None,
        rejected: None,
        not_before: None,
    }
}

fn keyed(target: TargetRecord) -> (RebuildsKey, Option<RebuildsRecord>) {
    let record = RebuildsRecord::RebuildTarget(Box::new(target));
    (record.key(), Some(record))
}
