//! What an orchestrator and Prometheus ask: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::task::spawn_blocking;

use crate::telemetry::Metrics;

/// Whether the process can do its work now; why not, if not. May block for a moment.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The routes.
pub fn probes(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(move || async move { metrics.text() }))
        .route(
            "/readyz",
            get(move || async move {
                match spawn_blocking(move || readiness()).await {
                    Ok(Ok(())) => (StatusCode::OK, "ok\n".to_owned()),
                    Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
                    Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
                }
            }),
        )
}
