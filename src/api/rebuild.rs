//! Rebuilds: plans, and what becomes of them.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::error::ApiError;
use super::{ApiState, Router};
use crate::log::AppendError;
use crate::plan::Plan;
use crate::query::Query;
use crate::query::answer::List;
use crate::rebuilder::{Change, RebuildError, RebuildItem, Started, build_configs};
use crate::record::rebuild::RebuildRequest;

/// Who asks for a change, as far as that is known.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asking {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

type Answer<T> = Result<Json<T>, ApiError>;

/// What anybody may ask.
pub(super) fn questions() -> Router<ApiState> {
    Router::new()
        .route("/v1/rebuilds", get(list))
        .route("/v1/rebuilds/plan", post(plan))
        .route("/v1/rebuilds/{id}", get(show))
}

/// What has builds begin, or none.
pub(super) fn commands() -> Router<ApiState> {
    Router::new()
        .route("/v1/rebuilds", post(start))
        .route("/v1/rebuilds/{id}/pause", post(|state, id, asking| change(state, id, asking, Change::Pause)))
        .route(
            "/v1/rebuilds/{id}/resume",
            post(|state, id, asking| change(state, id, asking, Change::Resume)),
        )
        .route(
            "/v1/rebuilds/{id}/cancel",
            post(|state, id, asking| change(state, id, asking, Change::Cancel)),
        )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Answer<T> {
    spawn_blocking(work).await.map_err(ApiError::internal)?.map(Json)
}

/// The plan for a request, by what is known now.
fn planned(state: &ApiState, request: RebuildRequest) -> Result<Plan, ApiError> {
    let build_configs = build_configs(&**state.engine.log()).map_err(ApiError::internal)?;
    Ok(Query::new(state.engine.view().snapshot()).plan(request, &build_configs)?)
}

async fn plan(State(state): State<ApiState>, Json(request): Json<RebuildRequest>) -> Answer<Plan> {
    blocking(move || planned(&state, request)).await
}

async fn start(State(state): State<ApiState>, Json(request): Json<RebuildRequest>) -> Answer<RebuildItem> {
    blocking(move || {
        state.rebuilds.check_started_here()?;
        let plan = planned(&state, request)?;
        let record = state.rebuilds.start(plan, Started::ByCommand)?;
        Ok(state.rebuilds.get(&record.id)?)
    })
    .await
}

async fn list(State(state): State<ApiState>) -> Answer<List<RebuildItem>> {
    blocking(move || Ok(List::new(state.rebuilds.list()?))).await
}

async fn show(State(state): State<ApiState>, Path(id): Path<String>) -> Answer<RebuildItem> {
    blocking(move || Ok(state.rebuilds.get(&id)?)).await
}

async fn change(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Json(Asking { by }): Json<Asking>,
    change: Change,
) -> Answer<RebuildItem> {
    blocking(move || Ok(state.rebuilds.change(&id, change, by.as_deref())?)).await
}

impl From<RebuildError> for ApiError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::NotFound(_) => Self::not_found(error),
            RebuildError::NotYet => Self::unavailable(error),
            RebuildError::Invalid(_) | RebuildError::Append(AppendError::TooLarge { .. }) => {
                Self::invalid(error)
            }
            RebuildError::Log(_) | RebuildError::Append(_) | RebuildError::Ended(_) => Self::internal(error),
        }
    }
}
