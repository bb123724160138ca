//! Refuses queries until the process has read the whole log once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Ask;
use super::error::ApiError;

/// Refuses requests that would be answered from a part of the log: without a class that it has not read yet, a process
/// would answer that the class does not exist.
pub(super) async fn restored(
    State(asked): State<Arc<dyn Ask>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let partitions = asked.partitions();
    // If a worker has failed, its committed state is still shown.
    match partitions.iter().filter(|partition| partition.behind_seconds.is_none()).count() {
        0 => Ok(next.run(request).await),
        lacking => Err(ApiError::unavailable(format!(
            "this clade still reads what is on the log, {lacking} of {} partitions are not read to their ends: ask again \
             soon; /v1/status tells how far they are",
            partitions.len()
        ))),
    }
}
