//! The routes of rebuilds: plans, commands and progress.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use tokio::task::spawn_blocking;

use super::error::ApiError;
use super::{Asking, Command};
use crate::plan::Plan;
use crate::query::answer::List;
use crate::rebuilder::{Change, RebuildItem};
use crate::record::rebuild::RebuildRequest;

type Answer<T> = Result<Json<T>, ApiError>;
type Rebuilds = State<Arc<dyn Command>>;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Answer<T> {
    spawn_blocking(work).await.map_err(ApiError::internal)?.map(Json)
}

pub(super) async fn plan(State(command): Rebuilds, Json(request): Json<RebuildRequest>) -> Answer<Plan> {
    blocking(move || command.plan(request)).await
}

pub(super) async fn start(
    State(command): Rebuilds,
    Json(request): Json<RebuildRequest>,
) -> Answer<RebuildItem> {
    blocking(move || command.start(request)).await
}

pub(super) async fn list(State(command): Rebuilds) -> Answer<List<RebuildItem>> {
    blocking(move || Ok(List::new(command.list()?))).await
}

pub(super) async fn show(State(command): Rebuilds, Path(id): Path<String>) -> Answer<RebuildItem> {
    blocking(move || command.get(&id)).await
}

pub(super) async fn pause(rebuilds: Rebuilds, id: Path<String>, by: Json<Asking>) -> Answer<RebuildItem> {
    change(rebuilds, id, by, Change::Pause).await
}

pub(super) async fn resume(rebuilds: Rebuilds, id: Path<String>, by: Json<Asking>) -> Answer<RebuildItem> {
    change(rebuilds, id, by, Change::Resume).await
}

pub(super) async fn cancel(rebuilds: Rebuilds, id: Path<String>, by: Json<Asking>) -> Answer<RebuildItem> {
    change(rebuilds, id, by, Change::Cancel).await
}

async fn change(
    State(command): Rebuilds,
    Path(id): Path<String>,
    Json(Asking { by }): Json<Asking>,
    change: Change,
) -> Answer<RebuildItem> {
    blocking(move || command.change(&id, change, by.as_deref())).await
}
