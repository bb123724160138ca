//! The events of a subscription, in order.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::SubscribeError;
use super::event::Event;
use super::sieve::Sieve;
use crate::log::{LogError, Offset, ReadLimit, Reader};

pub(super) const READ: ReadLimit = ReadLimit { records: 1_024, bytes: 4 << 20 };
/// Duration of one wait of the iterator.
const WAIT: Duration = Duration::from_millis(500);
/// Time without a record before the end, after which a subscription fails: far longer than a broker takes to restart.
const STALLED: Duration = Duration::from_secs(60);

/// The result of a wait for an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// An event.
    Event(Box<Event>),
    /// No event has come yet.
    Quiet,
    /// No further event will come: all were returned, and the subscription does not follow.
    End,
}

/// The events of a [`Subscription`](super::Subscription). As an iterator it blocks for each event; it never ends if the
/// subscription follows.
pub struct Events {
    reader: Box<dyn Reader>,
    sieve: Sieve,
    follow: bool,
    /// Events that were read and match the filter.
    waiting: VecDeque<Event>,
    /// By partition, the offset after the last event that was returned, and the one after the last record that was read.
    returned: BTreeMap<u16, Offset>,
    read: BTreeMap<u16, Offset>,
    is_at_end: bool,
    /// The time of the last read that returned a record.
    heard: Instant,
    has_failed: bool,
}

impl Events {
    pub(super) fn new(
        reader: Box<dyn Reader>,
        sieve: Sieve,
        follow: bool,
        begin: impl IntoIterator<Item = (u16, Offset)>,
    ) -> Self {
        let returned: BTreeMap<u16, Offset> = begin.into_iter().collect();
        Self {
            reader,
            sieve,
            follow,
            waiting: VecDeque::new(),
            read: returned.clone(),
            returned,
            is_at_end: false,
            heard: Instant::now(),
            has_failed: false,
        }
    }

    /// Returns the next event; waits at most `timeout`. After an error, only errors and the end follow.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Next, SubscribeError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.returned.insert(event.of.partition, event.offset + 1);
                return Ok(Next::Event(Box::new(event)));
            }
            if self.is_at_end && !self.follow {
                return Ok(Next::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.read(left)?;
            if self.waiting.is_empty() && Instant::now() >= deadline && (self.follow || !self.is_at_end) {
                return Ok(Next::Quiet);
            }
        }
    }

    /// By partition, the offset from which a subscription goes on after the events that were returned
    /// ([`Start::Offsets`](super::Start::Offsets)).
    pub fn position(&self) -> &BTreeMap<u16, Offset> {
        if self.waiting.is_empty() { &self.read } else { &self.returned }
    }

    /// Returns `true` if the last read was at the end of what is on the log.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.is_at_end
    }

    fn read(&mut self, timeout: Duration) -> Result<(), SubscribeError> {
        // Everything before was returned, or does not match.
        self.returned.clone_from(&self.read);
        let fetched = self.reader.read(READ, timeout)?;
        if !fetched.records.is_empty() {
            self.heard = Instant::now();
            self.sieve.refresh()?;
        } else if !self.follow && !fetched.at_end && self.heard.elapsed() >= STALLED {
            let problem = format!("nothing came for {} s, and the end is not reached", STALLED.as_secs());
            return Err(LogError::storage(problem).into());
        }
        let read = self.read.entry(fetched.partition).or_default();
        *read = (*read).max(fetched.next);
        for stored in fetched.records {
            self.waiting.extend(self.sieve.pass(fetched.partition, stored)?);
        }
        self.is_at_end = fetched.at_end;
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<Event, SubscribeError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_failed {
            match self.next_within(WAIT) {
                Ok(Next::Event(event)) => return Some(Ok(*event)),
                Ok(Next::Quiet) => {}
                Ok(Next::End) => return None,
                Err(error) => {
                    self.has_failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
