//! Keeps idle, connected consumers for reuse. A new consumer takes more than half a second until its first record: it
//! has to find the cluster and its group's coordinator, and to leave the group again. A restore opens several readers
//! one after another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::context::Context;
use super::{Config, consumer};
use crate::log::LogError;

/// Idle consumers to keep, at most: each has a few threads.
const KEPT: usize = 4;

/// Creates consumers and takes them back. Clones share the pool.
#[derive(Clone)]
pub(super) struct Pool {
    config: Config,
    purpose: &'static [(&'static str, &'static str)],
    idle: Arc<Mutex<Vec<BaseConsumer<Context>>>>,
}

impl Pool {
    pub(super) fn new(
        config: Config,
        purpose: &'static [(&'static str, &'static str)],
        first: Option<BaseConsumer<Context>>,
    ) -> Self {
        Self { config, purpose, idle: Arc::new(Mutex::new(first.into_iter().collect())) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<BaseConsumer<Context>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a consumer without an assignment.
    pub(super) fn take(&self) -> Result<BaseConsumer<Context>, LogError> {
        let kept = self.idle().pop();
        kept.map_or_else(|| consumer(&self.config, self.purpose), Ok)
    }

    /// Takes back a consumer that has met no error.
    pub(super) fn give_back(&self, consumer: BaseConsumer<Context>) {
        if consumer.unassign().is_ok() {
            let mut idle = self.idle();
            if idle.len() < KEPT {
                idle.push(consumer);
            }
        }
    }
}
