//! The one thread that writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use redb::WriteTransaction;

use super::due::Due;
use super::fault::Fault;
use super::tables::{EXTENTS, RECORDS, key};
use super::{Shared, compaction, extent, frame};
use crate::log::{AppendError, Batch, LogError, Offset, TopicPartition, Writer, check_sizes};

/// Appends that may wait, at most. Each writer has one under way at a time, so there are never more appends than
/// writers. Beyond this number writers wait before queueing instead of after.
pub(super) const QUEUE: usize = 64;
/// Records of one transaction, at most. Queued batches share a transaction, so that an fsync costs each of them little.
const GROUP_RECORDS: usize = 10_000;

pub(super) enum Request {
    Append { name: String, epoch: u64, batch: Batch, reply: SyncSender<Result<Vec<Offset>, AppendError>> },
    Compact { reply: SyncSender<Result<(), LogError>> },
    Close,
}

pub(super) struct EmbeddedWriter {
    pub(super) name: String,
    pub(super) epoch: u64,
    pub(super) queue: SyncSender<Request>,
    /// Receives the result of the append under way.
    pub(super) answer: Option<Receiver<Result<Vec<Offset>, AppendError>>>,
}

impl Writer for EmbeddedWriter {
    fn begin(&mut self, batch: Batch) -> Result<(), AppendError> {
        check_sizes(&batch)?;
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let request = Request::Append { name: self.name.clone(), epoch: self.epoch, batch, reply };
        self.queue.send(request).map_err(|_| AppendError::NotAppended("the log is closed".to_owned()))?;
        self.answer = Some(answer);
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Offset>, AppendError> {
        let Some(answer) = self.answer.take() else { return Ok(Vec::new()) };
        answer.recv().unwrap_or_else(|_| Err(AppendError::Unknown("the log's thread has ended".to_owned())))
    }
}

/// The new ends of partitions after one group of appends. Readers see them after the commit.
type Ends = HashMap<TopicPartition, Offset>;

/// One append of a group, and the sender of its result.
type Waiting = (SyncSender<Result<Vec<Offset>, AppendError>>, Result<Vec<Offset>, AppendError>);

pub(super) struct WriterThread {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Receiver<Request>,
    pub(super) clock: fn() -> i64,
    pub(super) due: Due,
}

impl WriterThread {
    pub(super) fn run(mut self) {
        loop {
            let first = match self
                .requests
                .recv_timeout(Duration::from_millis(if self.due.is_any((self.clock)()) { 5 } else { 60_000 }))
            {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    self.compact_one();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match first {
                Request::Close => return,
                Request::Compact { reply } => {
                    let result = compaction::compact_all(&self.shared.store, (self.clock)());
                    let _ = reply.send(result);
                }
                Request::Append { .. } => {
                    let (group, rest) = self.gather(first);
                    let due = self.commit(group);
                    self.due.add(due);
                    match rest {
                        Some(Request::Close) => return,
                        Some(Request::Compact { reply }) => {
                            let _ = reply.send(compaction::compact_all(&self.shared.store, (self.clock)()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Compacts a partition that is due, while no append waits.
    fn compact_one(&mut self) {
        let now = (self.clock)();
        let Some(partition) = self.due.take(now) else { return };
        match compaction::compact(&self.shared.store, partition, now) {
            Ok(spared) => self.due.compacted(partition, spared, now),
            Err(error) => {
                tracing::warn!(%partition, %error, "compaction failed");
                self.due.failed(partition, now);
            }
        }
    }

    /// Takes further queued appends after `first`, until a request of another kind comes.
    fn gather(&self, first: Request) -> (Vec<Request>, Option<Request>) {
        let size = |request: &Request| match request {
            Request::Append { batch, .. } => batch.len(),
            _ => 0,
        };
        let mut records = size(&first);
        let mut group = vec![first];
        while records < GROUP_RECORDS {
            match self.requests.try_recv() {
                Ok(request @ Request::Append { .. }) => {
                    records += size(&request);
                    group.push(request);
                }
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Writes a group in one transaction and sends all results. Returns the partitions that are due for compaction.
    fn commit(&self, group: Vec<Request>) -> Vec<TopicPartition> {
        let mut waiting: Vec<Waiting> = Vec::with_capacity(group.len());
        let fail = |waiting: Vec<Waiting>, error: &dyn Fn() -> AppendError| {
            for (reply, result) in waiting {
                let _ = reply.send(result.and_then(|_| Err(error())));
            }
            Vec::new()
        };
        let written = self
            .shared
            .store
            .write("cannot append", |transaction| self.write(transaction, group, &mut waiting));
        let (ends, due) = match written {
            Ok(written) => written,
            Err(failed) if failed.is_unknown => {
                return fail(waiting, &|| AppendError::Unknown(failed.error.to_string()));
            }
            Err(failed) => return fail(waiting, &|| AppendError::NotAppended(failed.error.to_string())),
        };
        self.shared.ends().extend(ends);
        self.shared.committed.notify_all();
        for (reply, result) in waiting {
            let _ = reply.send(result);
        }
        due
    }

    fn write(
        &self,
        transaction: &WriteTransaction,
        group: Vec<Request>,
        waiting: &mut Vec<Waiting>,
    ) -> Result<(Ends, Vec<TopicPartition>), Fault> {
        // All result channels are recorded before anything can fail, so that no writer waits for ever.
        let mut batches = Vec::with_capacity(group.len());
        for request in group {
            let Request::Append { name, epoch, batch, reply } = request else { continue };
            let is_fenced = self.shared.epochs().get(&name).is_some_and(|newest| *newest > epoch);
            waiting.push((reply, if is_fenced { Err(AppendError::Fenced) } else { Ok(Vec::new()) }));
            batches.push(batch);
        }
        let now = (self.clock)();
        let mut ends = Ends::new();
        let mut added: BTreeMap<TopicPartition, u64> = BTreeMap::new();
        let mut records = transaction.open_table(RECORDS)?;
        for (batch, (_, result)) in batches.into_iter().zip(waiting.iter_mut()) {
            let Ok(offsets) = result else { continue };
            for (to, record) in batch {
                let end = ends.entry(to).or_insert_with(|| self.shared.ends().get(&to).copied().unwrap_or(0));
                let place = key(to, *end);
                if records.insert(place, frame::encode(place, now, &record).as_slice())?.is_some() {
                    return Err(Fault::damaged(format_args!(
                        "a record stands at {to}@{end} already, beyond the end"
                    )));
                }
                offsets.push(*end);
                *end += 1;
                *added.entry(to).or_default() += 1;
            }
        }
        drop(records);
        let mut due = Vec::new();
        let mut extents = transaction.open_table(EXTENTS)?;
        for (partition, added) in added {
            let mut extent = extent::get(&extents, partition)?;
            extent.end = ends[&partition];
            extent.since += added;
            extent.live += added;
            extent::put(&mut extents, partition, extent)?;
            if compaction::is_due(extent.since, extent.kept()) {
                due.push(partition);
            }
        }
        drop(extents);
        Ok((ends, due))
    }
}
