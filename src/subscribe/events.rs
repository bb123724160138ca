//! The events of a subscription, one after the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::SubscribeError;
use super::event::Event;
use super::sieve::Sieve;
use crate::log::{LogError, ReadLimit, Reader};

pub(super) const READ: ReadLimit = ReadLimit { records: 1_024, bytes: 4 << 20 };
/// How long one wait of the iterator is.
const WAIT: Duration = Duration::from_millis(500);
/// So long may nothing come while the end is not reached: far longer than a broker takes to start again.
const STALLED: Duration = Duration::from_secs(60);

/// What a wait for an event has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// An event.
    Event(Box<Event>),
    /// None has come yet.
    Quiet,
    /// None will come: everything was told, and the subscription does not follow.
    End,
}

/// The events of a [`Subscription`](super::Subscription). As an iterator it waits for each: without end where it follows.
pub struct Events {
    reader: Box<dyn Reader>,
    sieve: Sieve,
    follow: bool,
    /// Read and let through.
    waiting: VecDeque<Event>,
    is_at_end: bool,
    /// When something was last read.
    heard: Instant,
    has_failed: bool,
}

impl Events {
    pub(super) fn new(reader: Box<dyn Reader>, sieve: Sieve, follow: bool) -> Self {
        let (waiting, heard) = (VecDeque::new(), Instant::now());
        Self { reader, sieve, follow, waiting, is_at_end: false, heard, has_failed: false }
    }

    /// The next event; waits for `timeout` at the most. After an error, only errors and the end come.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Next, SubscribeError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.waiting.pop_front() {
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

    fn read(&mut self, timeout: Duration) -> Result<(), SubscribeError> {
        let fetched = self.reader.read(READ, timeout)?;
        if !fetched.records.is_empty() {
            self.heard = Instant::now();
            self.sieve.refresh()?;
        } else if !self.follow && !fetched.at_end && self.heard.elapsed() >= STALLED {
            let problem = format!("nothing came for {} s, and the end is not reached", STALLED.as_secs());
            return Err(LogError::storage(problem).into());
        }
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
