//! Answers queries from the workers of this process.

use std::sync::Arc;

use crate::api::{ApiError, Ask};
use crate::engine::{Engine, PastError};
use crate::log::{LogError, SharedLog};
use crate::oci::Timestamp;
use crate::processor::ProcessorError;
use crate::query::answer::PartitionStatus;
use crate::view::Snapshot;

/// Answers from the view of an engine.
pub(super) struct Answers(pub(super) Arc<Engine>);

impl Ask for Answers {
    fn snapshot(&self) -> Snapshot {
        self.0.view().snapshot()
    }

    fn past(&self, at: Timestamp) -> Result<Snapshot, ApiError> {
        let view = self.0.past(at).map_err(|error| match error {
            PastError::NotOver { .. } => ApiError::invalid(format_args!("at: {error}")),
            PastError::TooOld { .. } | PastError::NoHistory { .. } | PastError::Nothing { .. } => {
                ApiError::too_long_ago(format_args!("at: {error}"))
            }
            PastError::Processor(ProcessorError::Stopped) => ApiError::unavailable("this clade is stopping"),
            PastError::Processor(
                ProcessorError::Stalled { .. } | ProcessorError::Log(LogError::Unreachable(_)),
            ) => ApiError::unavailable(error),
            PastError::Processor(_) => ApiError::internal(error),
        })?;
        Ok(view.snapshot())
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        self.0.status()
    }

    fn log(&self) -> &SharedLog {
        self.0.log()
    }
}
