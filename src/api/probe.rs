//! Serves requests about the process itself, for orchestrators, Prometheus and people: `/healthz`, `/readyz`,
//! `/metrics`, `/v1/status`. Everybody may ask the first three: they name no image, class or user.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::allowed::{Access, Guard, allowed};
use crate::access::Need;
use crate::query::answer::{API_VERSION, PartitionStatus};
use crate::telemetry::Metrics;

/// Lag in seconds above which a process is not ready. Below that it is better than none: under load no process is up to
/// date at every moment.
const MOST_BEHIND: u64 = 60;

/// The need of the status.
pub(super) const STATUS: Need = Need::read("get", "status");

/// The status of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The version of the API's objects.
    pub api_version: String,
    /// `Status`.
    pub kind: String,
    /// The partitions.
    pub partitions: Vec<PartitionStatus>,
    /// The reason why the process cannot work now, if it cannot.
    pub failure: Option<String>,
}

impl Status {
    /// Returns the status of a process that works on these partitions.
    pub fn new(partitions: Vec<PartitionStatus>, failure: Option<String>) -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: "Status".to_owned(), partitions, failure }
    }

    /// The reason why the process is not ready, if it is not.
    fn unready(&self) -> Option<String> {
        let lacks = |of: &&PartitionStatus| !of.restored || of.behind_seconds.is_none_or(|s| s > MOST_BEHIND);
        let (lacking, all) = (self.partitions.iter().filter(lacks).count(), self.partitions.len());
        let told =
            || format!("{lacking} of {all} partitions are not up to date; /v1/status tells how far they are");
        self.failure.clone().or_else(|| (lacking > 0).then(told))
    }
}

/// The probes of a process whose readiness has rules of its own.
pub fn bare_probes(
    metrics: Metrics,
    unready: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
) -> Router {
    let ready = move || {
        let reason = unready();
        async move {
            match reason {
                None => (StatusCode::OK, "ok\n".to_owned()),
                Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            }
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(move || async move { metrics.text() }))
        .route("/readyz", get(ready))
}

/// The source of the status.
pub type Source = Arc<dyn Fn() -> Status + Send + Sync>;

/// The routes. The status is for those who may read.
pub fn probes(metrics: Metrics, status: Source, access: &Access) -> Router {
    let asked = Arc::clone(&status);
    let guard = Guard { access: access.clone(), need: STATUS };
    let tell = get(move || async move { Json(asked()) }).route_layer(from_fn_with_state(guard, allowed));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(move || async move { metrics.text() }))
        .route("/v1/status", tell)
        .route(
            "/readyz",
            get(move || async move {
                match status().unready() {
                    None => (StatusCode::OK, "ok\n".to_owned()),
                    Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
                }
            }),
        )
}
