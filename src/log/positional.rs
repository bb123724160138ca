//! Implements a reader on a log that can be read at any offset, as both logs within one process can.

use std::time::Duration;

use super::{Fetched, LogError, Offset, ReadLimit, Reader, Stored, TopicPartition};
use crate::record::Topic;

/// A log that can be read at any offset.
pub(super) trait Positional: Send {
    /// Reads committed records from `offset` on. Returns at least one if there is one.
    fn read_at(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError>;

    /// Blocks until one of the partitions has a record at or beyond the given offset, or the time is over.
    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration);
}

/// Keeps the position in each partition, and reads the partitions in turn.
pub(super) struct PositionalReader<L> {
    log: L,
    positions: Vec<(TopicPartition, Offset)>,
    turn: usize,
    /// `true` if the reader has reported the end.
    is_end_told: bool,
}

impl<L: Positional> PositionalReader<L> {
    pub(super) fn new(log: L, topic: Topic, from: &[(u16, Offset)]) -> Result<Self, LogError> {
        if from.is_empty() {
            return Err(LogError::storage(format!("a reader of no partition of {topic}")));
        }
        let position =
            |(partition, offset): &(u16, Offset)| (TopicPartition { topic, partition: *partition }, *offset);
        Ok(Self { log, positions: from.iter().map(position).collect(), turn: 0, is_end_told: false })
    }

    /// Reads the first partition in turn that has a record; if none has, the last one.
    fn round(&mut self, limit: ReadLimit) -> Result<Fetched, LogError> {
        for look in 1..=self.positions.len() {
            self.turn = (self.turn + 1) % self.positions.len();
            let (of, position) = &mut self.positions[self.turn];
            let mut fetched = self.log.read_at(*of, *position, limit)?;
            *position = fetched.next;
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
            self.log.wait(&self.positions, timeout);
            fetched = self.round(limit)?;
        }
        self.is_end_told = fetched.records.is_empty();
        Ok(fetched)
    }
}

/// Reads the one record at an offset.
pub(super) fn get(
    log: &impl Positional,
    from: TopicPartition,
    offset: Offset,
) -> Result<Option<Stored>, LogError> {
    let one = ReadLimit { records: 1, bytes: usize::MAX };
    Ok(log.read_at(from, offset, one)?.records.pop().filter(|stored| stored.offset == offset))
}
