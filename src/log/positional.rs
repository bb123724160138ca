//! A reader of a log that can be read at any offset, as both logs of one process can.

use std::time::Duration;

use super::{Fetched, LogError, Offset, ReadLimit, Reader, Stored, TopicPartition};
use crate::record::Topic;

/// What such a log offers.
pub(super) trait Positional: Send {
    /// The committed records from `offset` on. Returns one at least if there is one.
    fn read_at(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError>;

    /// Blocks until one of the partitions has a record at or beyond the offset beside it, or the time is over.
    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration);
}

/// Keeps the position in each partition and goes round.
pub(super) struct PositionalReader<L> {
    log: L,
    positions: Vec<(TopicPartition, Offset)>,
    turn: usize,
    /// It was told already that there is nothing more.
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

    /// The first partition in turn that has something; else the last one looked at.
    fn round(&mut self, limit: ReadLimit) -> Result<Fetched, LogError> {
        for look in 1..=self.positions.len() {
            self.turn = (self.turn + 1) % self.positions.len();
            let (of, position) = &mut self.positions[self.turn];
            let mut fetched = self.log.read_at(*of, *position, limit)?;
            *position = fetched.next;
            // Whether the others have anything is not known yet; a later call tells.
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
        // That the end is reached is news; that it still is, is none.
        if fetched.records.is_empty() && self.is_end_told && !timeout.is_zero() {
            self.log.wait(&self.positions, timeout);
            fetched = self.round(limit)?;
        }
        self.is_end_told = fetched.records.is_empty();
        Ok(fetched)
    }
}

/// The one record at an offset.
pub(super) fn get(
    log: &impl Positional,
    from: TopicPartition,
    offset: Offset,
) -> Result<Option<Stored>, LogError> {
    let one = ReadLimit { records: 1, bytes: usize::MAX };
    Ok(log.read_at(from, offset, one)?.records.pop().filter(|stored| stored.offset == offset))
}
