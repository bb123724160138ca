//! The routes of rebuilds: plans, commands and progress.

use std::sync::Arc;

use axum::extract::{Path, Query as Params, State};
use axum::response::Response;
use axum::{Extension, Json};

use super::error::ApiError;
use super::limits::Limits;
use super::read::NoParams;
use super::{Asking, Command};
use crate::query::answer::List;
use crate::rebuilder::Change;
use crate::record::rebuild::RebuildRequest;

type Answer = Result<Response, ApiError>;
type Rebuilds = State<Arc<dyn Command>>;
type Bounds = Extension<Arc<Limits>>;
type NoneElse = Params<NoParams>;

pub(super) async fn plan(
    State(command): Rebuilds,
    Extension(limits): Bounds,
    _: NoneElse,
    Json(request): Json<RebuildRequest>,
) -> Answer {
    limits.answer(&limits.lists, move || command.plan(request)).await
}

pub(super) async fn start(
    State(command): Rebuilds,
    Extension(limits): Bounds,
    _: NoneElse,
    Json(request): Json<RebuildRequest>,
) -> Answer {
    limits.command(move || command.start(request)).await
}

pub(super) async fn list(State(command): Rebuilds, Extension(limits): Bounds, _: NoneElse) -> Answer {
    limits.answer(&limits.lists, move || command.list().map(List::new)).await
}

pub(super) async fn show(
    State(command): Rebuilds,
    Extension(limits): Bounds,
    Path(id): Path<String>,
    _: NoneElse,
) -> Answer {
    limits.answer(&limits.questions, move || command.get(&id)).await
}

pub(super) async fn pause(rebuilds: Rebuilds, bounds: Bounds, id: Path<String>, by: Json<Asking>) -> Answer {
    change(rebuilds, bounds, id, by, Change::Pause).await
}

pub(super) async fn resume(rebuilds: Rebuilds, bounds: Bounds, id: Path<String>, by: Json<Asking>) -> Answer {
    change(rebuilds, bounds, id, by, Change::Resume).await
}

pub(super) async fn cancel(rebuilds: Rebuilds, bounds: Bounds, id: Path<String>, by: Json<Asking>) -> Answer {
    change(rebuilds, bounds, id, by, Change::Cancel).await
}

async fn change(
    State(command): Rebuilds,
    Extension(limits): Bounds,
    Path(id): Path<String>,
    Json(Asking { by }): Json<Asking>,
    change: Change,
) -> Answer {
    limits.command(move || command.change(&id, change, by.as_deref())).await
}
