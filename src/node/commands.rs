//! Handles commands: plans from the view of this process, rebuilds by its rebuilder.

use std::sync::Arc;

use crate::api::{ApiError, Command};
use crate::engine::Engine;
use crate::log::AppendError;
use crate::plan::Plan;
use crate::query::{Query, RefError};
use crate::rebuilder::{Change, RebuildError, RebuildItem, Rebuilds, Started, build_configs};
use crate::record::rebuild::RebuildRequest;

/// Plans from the view of an engine.
pub(super) struct Commands {
    engine: Arc<Engine>,
    rebuilds: Rebuilds,
}

impl Commands {
    pub(super) fn new(engine: Arc<Engine>, rebuilds: Rebuilds) -> Self {
        Self { engine, rebuilds }
    }
}

impl Command for Commands {
    fn plan(&self, request: RebuildRequest) -> Result<Plan, ApiError> {
        let build_configs = build_configs(&**self.engine.log()).map_err(ApiError::internal)?;
        let planned = Query::new(self.engine.view().snapshot()).plan(request, &build_configs);
        planned.map_err(|error: RefError| error.into())
    }

    fn start(&self, request: RebuildRequest) -> Result<RebuildItem, ApiError> {
        self.rebuilds.check_started_here().map_err(problem)?;
        let plan = self.plan(request)?;
        let record = self.rebuilds.start(plan, Started::ByCommand).map_err(problem)?;
        self.get(&record.id)
    }

    fn list(&self) -> Result<Vec<RebuildItem>, ApiError> {
        self.rebuilds.list().map_err(problem)
    }

    fn get(&self, id: &str) -> Result<RebuildItem, ApiError> {
        self.rebuilds.get(id).map_err(problem)
    }

    fn change(&self, id: &str, change: Change, by: Option<&str>) -> Result<RebuildItem, ApiError> {
        self.rebuilds.change(id, change, by).map_err(problem)
    }
}

fn problem(error: RebuildError) -> ApiError {
    match error {
        RebuildError::NotFound(_) => ApiError::not_found(error),
        RebuildError::NotYet => ApiError::unavailable(error),
        RebuildError::Invalid(_) | RebuildError::Append(AppendError::TooLarge { .. }) => {
            ApiError::invalid(error)
        }
        RebuildError::Log(_) | RebuildError::Append(_) | RebuildError::Ended(_) => ApiError::internal(error),
    }
}
