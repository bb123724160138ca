//! Answers queries from the workers of this process.

use std::sync::Arc;

use crate::api::Ask;
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::query::answer::PartitionStatus;
use crate::view::Snapshot;

/// Answers from the view of an engine.
pub(super) struct Answers(pub(super) Arc<Engine>);

impl Ask for Answers {
    fn snapshot(&self) -> Snapshot {
        self.0.view().snapshot()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.0.status()
    }

    fn log(&self) -> &SharedLog {
        self.0.log()
    }
}
