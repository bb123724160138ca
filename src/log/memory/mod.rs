//! Keeps the log in memory, for tests: records outlive the processors, and calls fail as configured.

mod faults;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use faults::{Faults, Rates};

use super::positional::{Positional, PositionalReader};
use super::{
    AppendError, Batch, Fetched, Log, LogError, Offset, ReadLimit, Reader, Stored, TopicPartition, Writer,
    check_sizes,
};
use crate::record::{Cleanup, Topic};
use faults::Fault;

/// A log in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryLog {
    partitions: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    partitions: BTreeMap<TopicPartition, Partition>,
    epochs: HashMap<String, u64>,
    faults: Faults,
    now: i64,
    /// The time of the last compaction.
    compacted: i64,
}

#[derive(Default)]
struct Partition {
    end: Offset,
    records: BTreeMap<Offset, Stored>,
}

impl MemoryLog {
    /// Returns an empty log that fails as `faults` decide.
    pub fn new(partitions: u16, faults: Faults) -> Self {
        let state =
            State { partitions: BTreeMap::new(), epochs: HashMap::new(), faults, now: 0, compacted: 0 };
        Self { partitions, shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    /// Sets the timestamp of later records, in milliseconds since the Unix epoch; 0 at first.
    pub fn set_time(&self, timestamp: i64) {
        self.state().now = timestamp;
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.state().faults = Faults::none();
    }

    /// Compacts every keyed topic now; tombstones stay.
    pub fn compact(&self) {
        let mut state = self.state();
        let keyed: Vec<TopicPartition> = state.partitions.keys().copied().collect();
        for partition in keyed {
            state.compact(partition);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn compact(&mut self, of: TopicPartition) {
        if of.topic.cleanup() != Cleanup::Compact {
            return;
        }
        let Some(partition) = self.partitions.get_mut(&of) else { return };
        let mut last: HashMap<String, Offset> = HashMap::new();
        for (offset, stored) in &partition.records {
            last.insert(stored.record.key.clone(), *offset);
        }
        self.compacted = self.now;
        partition.records.retain(|offset, stored| last.get(&stored.record.key) == Some(offset));
    }

    fn compact_something(&mut self) {
        let partitions: Vec<TopicPartition> = self.partitions.keys().copied().collect();
        if let Some(chosen) = self.faults.compaction(&partitions) {
            self.compact(chosen);
        }
    }

    fn append(&mut self, batch: Batch) -> Vec<Offset> {
        let timestamp = self.now;
        batch
            .into_iter()
            .map(|(to, record)| {
                let partition = self.partitions.entry(to).or_default();
                let offset = partition.end;
                partition.records.insert(offset, Stored { offset, timestamp, record });
                partition.end += 1;
                offset
            })
            .collect()
    }
}

impl Log for MemoryLog {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        let mut state = self.state();
        let epoch = state.epochs.entry(name.to_owned()).or_default();
        *epoch += 1;
        Ok(Box::new(MemoryWriter { log: self.clone(), name: name.to_owned(), epoch: *epoch, begun: None }))
    }

    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(PositionalReader::new(self.clone(), topic, from)?))
    }

    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        let one = ReadLimit { records: 1, bytes: usize::MAX };
        Ok(self.read_at(from, offset, one)?.records.pop().filter(|stored| stored.offset == offset))
    }

    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        Ok(self.state().partitions.get(&of).map_or(0, |partition| partition.end))
    }

    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        let state = self.state();
        let Some(partition) = state.partitions.get(&of) else { return Ok(0) };
        let found = partition.records.values().find(|stored| stored.timestamp >= timestamp);
        Ok(found.map_or(partition.end, |stored| stored.offset))
    }

    fn complete_since(&self) -> Result<i64, LogError> {
        Ok(self.state().compacted)
    }
}

impl Positional for MemoryLog {
    fn read_at(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError> {
        let mut state = self.state();
        state.compact_something();
        let records = state.faults.short_read(limit.records);
        let mut fetched =
            Fetched { partition: from.partition, records: Vec::new(), next: offset, at_end: true };
        let Some(partition) = state.partitions.get(&from) else { return Ok(fetched) };
        let mut bytes = 0;
        for (at, stored) in partition.records.range(offset..) {
            bytes += stored.record.bytes();
            fetched.records.push(stored.clone());
            fetched.next = at + 1;
            if fetched.records.len() >= records || bytes >= limit.bytes {
                fetched.at_end = fetched.next >= partition.end;
                return Ok(fetched);
            }
        }
        fetched.next = partition.end.max(offset);
        Ok(fetched)
    }

    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration) {
        let has_more = |state: &mut State| {
            for_any
                .iter()
                .any(|(of, offset)| state.partitions.get(of).is_some_and(|partition| partition.end > *offset))
        };
        let _ = self.shared.1.wait_timeout_while(self.state(), timeout, |state| !has_more(state));
    }
}

struct MemoryWriter {
    log: MemoryLog,
    name: String,
    epoch: u64,
    /// The result of the batch under way.
    begun: Option<Result<Vec<Offset>, AppendError>>,
}

impl Writer for MemoryWriter {
    fn begin(&mut self, batch: Batch) -> Result<(), AppendError> {
        check_sizes(&batch)?;
        self.begun = Some(self.write(batch));
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Offset>, AppendError> {
        self.begun.take().unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl MemoryWriter {
    fn write(&self, batch: Batch) -> Result<Vec<Offset>, AppendError> {
        let mut state = self.log.state();
        state.compact_something();
        if state.epochs.get(&self.name).is_some_and(|newest| *newest > self.epoch) {
            return Err(AppendError::Fenced);
        }
        let result = match state.faults.append() {
            Fault::None => Ok(state.append(batch)),
            Fault::CrashBefore => Err(AppendError::NotAppended("the process was to crash before".to_owned())),
            Fault::CrashAfter => {
                state.append(batch);
                Err(AppendError::Unknown("the process was to crash after".to_owned()))
            }
            Fault::Unknown { appended } => {
                if appended {
                    state.append(batch);
                }
                Err(AppendError::Unknown("the answer was lost".to_owned()))
            }
        };
        drop(state);
        self.log.shared.1.notify_all();
        result
    }
}
