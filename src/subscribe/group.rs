//! The events of a member of a consumer group.

use std::time::Duration;

use super::SubscribeError;
use super::event::Event;
use super::events::READ;
use super::sieve::Sieve;
use crate::log::kafka::{Change, GroupReader};

/// What a member of a consumer group gets of a topic. It leaves the group when dropped.
pub struct GroupEvents {
    reader: GroupReader,
    sieve: Sieve,
}

impl GroupEvents {
    pub(super) fn new(reader: GroupReader, sieve: Sieve) -> Self {
        Self { reader, sieve }
    }

    /// The events that have come, none after `timeout` at the most. Everything that an earlier call has returned must be
    /// done with, and [`commit`](Self::commit) be called, before the next call; a member that is silent for five minutes
    /// is put out of the group.
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

    /// Commits everything that was returned, and waits for it. While the group changes hands it may fail silently: then the
    /// next call commits it, or it comes again.
    pub fn commit(&mut self) -> Result<(), SubscribeError> {
        Ok(self.reader.commit()?)
    }
}
