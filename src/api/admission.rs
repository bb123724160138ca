//! The admission webhook: an API server asks here before it stores a pod.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::map_response;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use super::Ask;
use super::error::{ApiError, as_problem, no_path};
use super::read::behind;
use crate::admission::{Asked, Review, Unjudged, allow, answer};
use crate::oci::Timestamp;
use crate::policy::{Decision, PodVerdict};
use crate::query::{Query, VerdictRequest};
use crate::telemetry::AdmissionMetrics;

/// Bytes of one question: an object and the one before it, each at most the 1.5 MiB that etcd stores, as JSON with its
/// managed fields.
const LARGEST: usize = 8 << 20;
/// The namespace that is never judged: without what runs there, nothing runs.
const SYSTEM: &str = "kube-system";

/// Labels that are on their way; an error says why nobody can tell now.
pub type Labels<'a> = Pin<Box<dyn Future<Output = Result<BTreeMap<String, String>, String>> + Send + 'a>>;

/// Knows the labels of namespaces.
pub trait Namespaces: Send + Sync {
    /// The labels of a namespace.
    fn labels<'a>(&'a self, namespace: &'a str) -> Labels<'a>;
}

/// The webhook of a process.
#[derive(Clone)]
pub struct Admission {
    /// Answers queries.
    pub ask: Arc<dyn Ask>,
    /// The labels of namespaces.
    pub namespaces: Arc<dyn Namespaces>,
    /// Namespaces that are not judged, besides kube-system: clade's own, above all.
    pub exempt: Arc<Vec<String>>,
    /// The metrics.
    pub metrics: AdmissionMetrics,
}

/// The routes of the webhook.
pub fn admission(admission: Admission) -> Router {
    Router::new()
        .route("/validate", post(validate))
        .route("/mutate", post(mutate))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(map_response(as_problem))
        .fallback(no_path)
        .with_state(admission)
}

async fn validate(
    State(admission): State<Admission>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    admission.review(body, false).await
}

async fn mutate(
    State(admission): State<Admission>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    admission.review(body, true).await
}

impl Admission {
    /// Answers a question. After an error the API server does what the webhook's `failurePolicy` says.
    async fn review(
        &self,
        body: Result<Bytes, BytesRejection>,
        mutates: bool,
    ) -> Result<Json<Value>, ApiError> {
        let begun = Instant::now();
        let body = body.map_err(|error| ApiError::new(error.status(), error.body_text()))?;
        let Review { uid, asked } = Review::read(&body).map_err(ApiError::invalid)?;
        let mut asked = match asked {
            Ok(asked) => asked,
            Err(Unjudged::NoImages) => return Ok(Json(allow(&uid))),
            Err(Unjudged::Unreadable(problem)) => return Err(ApiError::invalid(problem)),
        };
        if asked.subject.namespace == SYSTEM || self.exempt.contains(&asked.subject.namespace) {
            return Ok(Json(allow(&uid)));
        }
        let labels = self.namespaces.labels(&asked.subject.namespace).await;
        asked.subject.namespace_labels = labels.map_err(|problem| {
            let namespace = &asked.subject.namespace;
            ApiError::unavailable(format!(
                "the labels of the namespace {namespace:?} are not known: {problem}"
            ))
        })?;
        let verdict = self.verdict(&asked)?;
        if !mutates {
            self.metrics.decided(verdict.verdict.as_str(), begun.elapsed());
            tell(&asked, &verdict);
        }
        Ok(Json(answer(&uid, &asked, &verdict, mutates)))
    }

    /// The verdict, from memory alone.
    fn verdict(&self, asked: &Asked) -> Result<PodVerdict, ApiError> {
        let behind = behind(self.ask.as_ref());
        let request = VerdictRequest { pod: asked.subject.clone(), policies: None, images: Vec::new() };
        let query = Query::new(self.ask.snapshot());
        query.verdict(&request, Timestamp::now(), behind).map_err(ApiError::invalid)
    }
}

/// A line of the log for whoever was denied.
fn tell(asked: &Asked, verdict: &PodVerdict) {
    if asked.is_pod && verdict.decision == Decision::Deny {
        let subject = &asked.subject;
        let workload = subject.workload.as_ref();
        tracing::info!(
            namespace = subject.namespace,
            kind = workload.map(|of| of.kind.as_str()).unwrap_or_default(),
            name = workload.map(|of| of.name.as_str()).unwrap_or_default(),
            verdict = verdict.verdict.as_str(),
            "denied a pod"
        );
    }
}
