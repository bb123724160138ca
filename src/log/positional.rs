//! Implements a reader on a log that can be read at any offset, as both logs within one process can.

use std::time::Duration;

use super::{Fetched, LogError, Offset, ReadLimit, Reader, TopicPartition};
use crate::record::Topic;

/// A log that can be read at any offset.
pub(super) trait Positional: Send {
    /// Reads committed records from `offset` on. Returns at least one if there is one.
    fn read_at(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError>;

    /// The number of records that were removed from the partition until now; `None` if the log does not count its records.
    fn removed(&self, _of: TopicPartition) -> Result<Option<u64>, LogError> {
        Ok(None)
    }

    /// Compares what a reader has seen from offset 0 to `next`, the end, with what the log says that it has. Returns
    /// `false` if the end has moved on: the comparison is still to be made. Records that are missing are an error.
    fn is_compared(&self, _of: TopicPartition, _next: Offset, _seen: &Seen) -> Result<bool, LogError> {
        Ok(true)
    }

    /// Blocks until one of the partitions has a record at or beyond the given offset, or the time is over.
    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration);
}

/// The records that a reader has seen of a partition that it reads from its beginning.
pub(super) struct Seen {
    /// The number of records.
    pub(super) records: u64,
    /// The number of records that were removed before it began.
    pub(super) removed: u64,
}

/// The position in a partition.
struct Position {
    of: TopicPartition,
    next: Offset,
    /// `None` if the reader has not begun at the beginning, or has compared already.
    seen: Option<Seen>,
}

/// Keeps the position in each partition, and reads the partitions in turn.
pub(super) struct PositionalReader<L> {
    log: L,
    positions: Vec<Position>,
    turn: usize,
    /// `true` if the reader has reported the end.
    is_end_told: bool,
}

impl<L: Positional> PositionalReader<L> {
    pub(super) fn new(log: L, topic: Topic, from: &[(u16, Offset)]) -> Result<Self, LogError> {
        if from.is_empty() {
            return Err(LogError::storage(format!("a reader of no partition of {topic}")));
        }
        let position = |(partition, next): &(u16, Offset)| {
            let of = TopicPartition { topic, partition: *partition };
            let removed = if *next == 0 { log.removed(of)? } else { None };
            let seen = removed.map(|removed| Seen { records: 0, removed });
            Ok(Position { of, next: *next, seen })
        };
        let positions = from.iter().map(position).collect::<Result<_, LogError>>()?;
        Ok(Self { log, positions, turn: 0, is_end_told: false })
    }

    /// Reads the first partition in turn that has a record; if none has, the last one.
    fn round(&mut self, limit: ReadLimit) -> Result<Fetched, LogError> {
        for look in 1..=self.positions.len() {
            self.turn = (self.turn + 1) % self.positions.len();
            let Position { of, next, seen } = &mut self.positions[self.turn];
            let mut fetched = self.log.read_at(*of, *next, limit)?;
            *next = fetched.next;
            if let Some(so_far) = seen {
                so_far.records += fetched.records.len() as u64;
                if fetched.at_end && self.log.is_compared(*of, *next, so_far)? {
                    *seen = None;
                }
            }
            // Only after the last partition it is known that no other has a record.
            fetched.at_end &= look == self.positions.len();
            if !fetched.records.is_empty() || look == self.positions.len() {
                return Ok(fetched);
            }
        }
        Err(LogError::Closed)
    }
}

impl<L: Positional> Reader for PositionalReader<L> {
    fn read(&mut self, limit: ReadLimit, timeout: Duration) -> Result<Fetched, LogError> {
        let mut fetched = self.round(limit)?;
        // The reader reports the end once, when it is reached.
        if fetched.records.is_empty() && self.is_end_told && !timeout.is_zero() {
            let positions: Vec<_> = self.positions.iter().map(|at| (at.of, at.next)).collect();
            self.log.wait(&positions, timeout);
            fetched = self.round(limit)?;
        }
        self.is_end_told = fetched.records.is_empty();
        Ok(fetched)
    }
}
