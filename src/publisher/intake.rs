//! Takes in more observations than fit one request, such as those of a file.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};

use super::handle::{Owner, Publishing};
use super::{Counts, PublishError};
use crate::observe::Observation;

/// Portions that are on their way, at most: while the publisher writes, the source reads on.
const AHEAD: usize = 4;

impl Publishing {
    /// Begins an intake of more observations than one [`Publishing::observe`] should take, such as a file.
    pub fn intake(&self) -> Intake {
        Intake { publishing: self.clone(), begun: Arc::default(), waiting: VecDeque::new() }
    }
}

/// A series of observations that belong together. Tags that move often are written once, after all were taken in.
pub struct Intake {
    publishing: Publishing,
    begun: Arc<Begun>,
    /// The answers for what was put and is not taken yet.
    waiting: VecDeque<Receiver<Result<(), PublishError>>>,
}

/// The beginning of an intake, for the thread.
#[derive(Default)]
struct Begun {
    /// The publisher that took the first observations, and its counts before.
    by: OnceLock<(u64, Counts)>,
    has_failed: AtomicBool,
}

impl Intake {
    /// Hands some observations on. They are taken in while the caller prepares the next. After an error, of these or of some
    /// before, all of the intake must be repeated.
    pub fn put(&mut self, seen: Vec<Observation>) -> Result<(), PublishError> {
        let begun = Arc::clone(&self.begun);
        let answer = self.publishing.begin(move |owner| {
            let taken = begun.take(owner, seen);
            if taken.is_err() {
                begun.has_failed.store(true, Ordering::Relaxed);
            }
            taken
        })?;
        self.waiting.push_back(answer);
        self.wait(AHEAD)
    }

    /// Waits until no more portions than these are on their way.
    fn wait(&mut self, most: usize) -> Result<(), PublishError> {
        while self.waiting.len() > most {
            let Some(answer) = self.waiting.pop_front() else { break };
            answer.recv().map_err(|_| PublishError::Ended)??;
        }
        Ok(())
    }

    /// Publishes the observations, and returns their counts.
    pub fn finish(mut self) -> Result<Counts, PublishError> {
        self.put(Vec::new())?;
        self.wait(0)?;
        let Some((first, before)) = self.begun.by.get().copied() else {
            return Err(PublishError::Interrupted);
        };
        self.publishing.ask_owner(move |owner| {
            if owner.number != first || owner.publisher.is_none() {
                return Err(PublishError::Interrupted);
            }
            owner.with(|publisher| {
                publisher.flush()?;
                Ok(publisher.counts() - before)
            })
        })
    }
}

impl Begun {
    fn take(&self, owner: &mut Owner, seen: Vec<Observation>) -> Result<(), PublishError> {
        let is_another = |(first, _): &(u64, Counts)| owner.number != *first || owner.publisher.is_none();
        // The log would be read again for observations that must be repeated anyway.
        if self.has_failed.load(Ordering::Relaxed) || self.by.get().is_some_and(is_another) {
            return Err(PublishError::Interrupted);
        }
        let before = owner.with(|publisher| {
            let before = publisher.counts();
            seen.into_iter().try_for_each(|seen| publisher.observe(seen))?;
            Ok(before)
        })?;
        self.by.get_or_init(|| (owner.number, before));
        Ok(())
    }
}
