//! The events of a member of a consumer group.

use std::time::Duration;

use super::SubscribeError;
use super::event::Event;
use super::events::READ;
use super::sieve::Sieve;
use crate::log::kafka::{Change, GroupReader};

/// The events that a member of a consumer group receives. It leaves the group when dropped.
pub struct GroupEvents {
    reader: GroupReader,
    sieve: Sieve,
}

impl GroupEvents {
    pub(super) fn new(reader: GroupReader, sieve: Sieve) -> Self {
        Self { reader, sieve }
    }

    /// Returns the next events; waits at most `timeout`. Before the next call, all events of earlier calls must be done
    /// and [`commit`](Self::commit) called. The group removes a member that is silent for five minutes.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Vec<Event>, SubscribeError> {
        let read = self.reader.read(READ, timeout)?;
        for change in &read.changes {
            let (Change::Gained(partitions) | Change::Lost(partitions)) = change;
            partitions.iter().for_each(|partition| self.sieve.forget(*partition));
        }
        if !read.records.is_empty() {
            self.sieve.refresh()?;
        }
        let mut events = Vec::new();
        for (partition, stored) in read.records {
            self.reader.done(partition, stored.offset + 1);
            events.extend(self.sieve.pass(partition, stored)?);
        }
        Ok(events)
    }

    /// Commits all returned events, and blocks until that is done. During a rebalance it may fail silently: then the
    /// next call commits them, or they come again.
    pub fn commit(&mut self) -> Result<(), SubscribeError> {
        Ok(self.reader.commit()?)
    }
}
