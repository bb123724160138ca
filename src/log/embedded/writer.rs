//! The one thread that writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use redb::{ReadableTable as _, Table, WriteTransaction};

use super::due::Due;
use super::fault::Fault;
use super::packing::{Packing, Sealed};
use super::tables::{BLOCKS, EXTENTS, Key, key};
use super::{Shared, block, compaction, entry, extent};
use crate::compress::Packer;
use crate::log::{AppendError, Batch, LogError, Offset, TopicPartition, Writer, check_sizes};
use crate::record::{Record, Topic};

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
        // Only headers, which the check does not count, can make a record larger than a block. A gap of 4 bytes precedes it.
        if let Some((to, record)) = batch.iter().find(|(_, record)| entry::len(record) + 4 > block::LONGEST) {
            return Err(AppendError::TooLarge {
                key: record.key.clone(),
                to: *to,
                bytes: entry::len(record),
            });
        }
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

/// Whoever opens the next writer of this name reads the log at once, and has to see what this one has begun to append.
impl Drop for EmbeddedWriter {
    fn drop(&mut self) {
        let _ = self.finish();
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
    pub(super) packing: PackingByTopic,
}

/// Makes blocks of records. Those of a topic compress alike.
#[derive(Default)]
pub(super) struct PackingByTopic {
    packer: Packer,
    of: BTreeMap<Topic, Packing>,
}

impl PackingByTopic {
    /// Writes records behind the end of a partition. Returns the number of blocks.
    fn write(
        &mut self,
        blocks: &mut Table<'_, Key, &'static [u8]>,
        to: TopicPartition,
        (end, now): (Offset, i64),
        records: &[Record],
    ) -> Result<u64, Fault> {
        if blocks.range(key(to, end)..=key(to, Offset::MAX))?.next().is_some() {
            return Err(Fault::damaged(format_args!("records of {to} stand beyond its end, {end}")));
        }
        let packing = self.of.entry(to.topic).or_insert_with(|| Packing::of(to));
        packing.turn_to(to);
        let mut many = 0;
        let mut put = |Sealed { place, bytes }: Sealed| {
            blocks.insert(place, bytes.as_slice())?;
            many += 1;
            Ok(())
        };
        for (offset, record) in (end..).zip(records) {
            packing.push((offset, now), record, &mut self.packer, &mut put)?;
        }
        packing.finish(&mut self.packer, &mut put)?;
        Ok(many)
    }
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
    fn commit(&mut self, group: Vec<Request>) -> Vec<TopicPartition> {
        let mut waiting: Vec<Waiting> = Vec::with_capacity(group.len());
        let fail = |waiting: Vec<Waiting>, error: &dyn Fn() -> AppendError| {
            for (reply, result) in waiting {
                let _ = reply.send(result.and_then(|_| Err(error())));
            }
            Vec::new()
        };
        let (shared, packing) = (Arc::clone(&self.shared), &mut self.packing);
        let now = (self.clock)();
        let written = shared.store.write("cannot append", |transaction| {
            write(&shared, packing, transaction, group, &mut waiting, now)
        });
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
}

/// Writes the batches of a group. Returns the new ends, and the partitions that are due for compaction.
fn write(
    shared: &Shared,
    packing: &mut PackingByTopic,
    transaction: &WriteTransaction,
    group: Vec<Request>,
    waiting: &mut Vec<Waiting>,
    now: i64,
) -> Result<(Ends, Vec<TopicPartition>), Fault> {
    // All result channels are recorded before anything can fail, so that no writer waits for ever.
    let mut batches = Vec::with_capacity(group.len());
    for request in group {
        let Request::Append { name, epoch, batch, reply } = request else { continue };
        let is_fenced = shared.epochs().get(&name).is_some_and(|newest| *newest > epoch);
        waiting.push((reply, if is_fenced { Err(AppendError::Fenced) } else { Ok(Vec::new()) }));
        batches.push(batch);
    }
    let mut added: BTreeMap<TopicPartition, (Offset, Vec<Record>)> = BTreeMap::new();
    for (batch, (_, result)) in batches.into_iter().zip(waiting.iter_mut()) {
        let Ok(offsets) = result else { continue };
        for (to, record) in batch {
            let (end, records) = added.entry(to).or_insert_with(|| (shared.end(to), Vec::new()));
            offsets.push(*end + records.len() as u64);
            records.push(record);
        }
    }
    let (mut ends, mut due) = (Ends::new(), Vec::new());
    let mut blocks = transaction.open_table(BLOCKS)?;
    let mut extents = transaction.open_table(EXTENTS)?;
    for (partition, (end, records)) in added {
        let many = records.len() as u64;
        let mut extent = extent::get(&extents, partition)?;
        extent.blocks += packing.write(&mut blocks, partition, (end, now), &records)?;
        extent.end = end + many;
        extent.since += many;
        extent.live += many;
        extent::put(&mut extents, partition, extent)?;
        ends.insert(partition, extent.end);
        if compaction::is_due(extent.since, extent.kept()) {
            due.push(partition);
        }
    }
    Ok((ends, due))
}
