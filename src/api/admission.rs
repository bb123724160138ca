//! The admission webhook: an API server asks here before it stores a pod, and Gatekeeper about images.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::Ask;
use super::error::{ApiError, as_problem, no_path};
use super::read::behind;
use super::server::Client;
use crate::admission::{Asked, Review, Unjudged, allow, answer, asked_images, provided, refuse, unprovided};
use crate::oci::Timestamp;
use crate::policy::{Decision, PodVerdict, Verdict};
use crate::query::{NamedPolicy, Query, VerdictRequest};
use crate::record::AdmissionRecord;
use crate::retry::is_logged;
use crate::telemetry::AdmissionMetrics;

/// Bytes of one question: an object and the one before it, each of at most the 1.5 MiB that etcd stores. JSON of Go takes six
/// bytes for each `<`, `>` and `&`. A pod that is too large to be asked about would be admitted unseen.
const LARGEST: usize = 24 << 20;
/// Questions at once. Further ones wait, so that their bodies stay with the senders.
const AT_ONCE: usize = 32;
/// Images of one pod, at most.
const MOST_IMAGES: usize = 1_000;
/// Characters of a name that a record has, at most: nobody has checked an object yet.
const NAME: usize = 256;
/// Bytes of the texts of a record, at most: each pod that is denied makes one.
const TEXTS: usize = 16 << 10;
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
    /// The common names in the certificates of those who may ask, any if there are none; `None` for everybody.
    pub clients: Option<Arc<Vec<String>>>,
    /// Takes what is judged and not simply allowed. It may be full.
    pub records: mpsc::Sender<AdmissionRecord>,
    /// The metrics.
    pub metrics: AdmissionMetrics,
    /// The questions that may be under way.
    pub places: Arc<Semaphore>,
}

/// The routes of the webhook.
pub fn admission(admission: Admission) -> Router {
    Router::new()
        .route("/validate", post(validate))
        .route("/mutate", post(mutate))
        .route("/gatekeeper/{policy}", post(gatekeeper))
        .layer(map_response(as_problem))
        .route_layer(from_fn_with_state(admission.clone(), only_clients))
        .fallback(no_path)
        .with_state(admission)
}

/// Answers clients alone that have shown a certificate, if they must.
async fn only_clients(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let shown = request.extensions().get::<Client>();
    let Err(problem) = admission.clients.as_ref().map_or(Ok(()), |names| is_among(names, shown)) else {
        return next.run(request).await;
    };
    admission.metrics.refused.inc();
    if is_logged(u32::try_from(admission.metrics.refused.get()).unwrap_or(u32::MAX)) {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        tracing::warn!(
            ?peer,
            problem,
            "a client of the webhook is refused, whose questions are not answered"
        );
    }
    // A connection that is closed with unread bytes takes the answer from its client.
    let mut left = LARGEST;
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
        left = rest;
    }
    // Of another status, and of what is no plain text, an API server does not pass the reason on.
    (StatusCode::FORBIDDEN, problem).into_response()
}

fn is_among(names: &[String], shown: Option<&Client>) -> Result<(), String> {
    let needed =
        "clients must show a certificate of the authorities of this webhook (--admission-client-ca-file)";
    match shown.map(|Client(shown)| shown.as_ref()) {
        Some(Ok(name)) if names.is_empty() || names.contains(name) => Ok(()),
        Some(Ok(name)) => Err(format!(
            "the certificate of the client is that of {name:?}, who may not ask here (--admission-client)"
        )),
        Some(Err(problem)) => Err(format!("{needed}: {problem}")),
        None => Err(needed.to_owned()),
    }
}

async fn validate(State(admission): State<Admission>, request: Request) -> Result<Json<Value>, ApiError> {
    admission.review(request, false).await
}

async fn mutate(State(admission): State<Admission>, request: Request) -> Result<Json<Value>, ApiError> {
    admission.review(request, true).await
}

/// Judges images by one policy, whatever pods it selects: Gatekeeper's constraint selects them.
async fn gatekeeper(
    State(admission): State<Admission>,
    Path(policy): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let (_place, body) = admission.body(request).await?;
    let pod = asked_images(&body).map_err(ApiError::invalid)?;
    let query = Query::new(admission.ask.snapshot());
    let Some(mut spec) = query.policy(&policy) else {
        return Ok(Json(unprovided(&format!("no policy is named {policy:?}"))));
    };
    (spec.namespace_selector, spec.object_selector) = Default::default();
    let policies = Some(vec![NamedPolicy { name: policy, spec }]);
    let verdict = admission.judge(&query, &VerdictRequest { pod, policies, images: Vec::new() })?;
    Ok(Json(provided(&verdict)))
}

impl Admission {
    /// Room for the questions of a process.
    pub fn places() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AT_ONCE))
    }

    /// Waits for room, and reads the question.
    async fn body(&self, request: Request) -> Result<(SemaphorePermit<'_>, Bytes), ApiError> {
        let place = self.places.acquire().await.map_err(ApiError::internal)?;
        let body = axum::body::to_bytes(request.into_body(), LARGEST).await;
        let body = body.map_err(|error| ApiError::invalid(format!("the body cannot be read: {error}")))?;
        Ok((place, body))
    }

    /// Answers a question. After an error the API server does what the webhook's `failurePolicy` says.
    async fn review(&self, request: Request, mutates: bool) -> Result<Json<Value>, ApiError> {
        let begun = Instant::now();
        let (_place, body) = self.body(request).await?;
        let Review { uid, asked } = Review::read(&body).map_err(ApiError::invalid)?;
        let mut asked = match asked {
            Ok(asked) => asked,
            Err(Unjudged::NoImages) => return Ok(Json(allow(&uid))),
            Err(Unjudged::Unreadable(problem)) => return Err(ApiError::invalid(problem)),
        };
        if asked.subject.namespace == SYSTEM || self.exempt.contains(&asked.subject.namespace) {
            return Ok(Json(allow(&uid)));
        }
        if asked.subject.containers.len() > MOST_IMAGES {
            let count = asked.subject.containers.len();
            return Ok(Json(refuse(
                &uid,
                format!("clade judges at most {MOST_IMAGES} images of a pod; this has {count}"),
            )));
        }
        let labels = self.namespaces.labels(&asked.subject.namespace).await;
        asked.subject.namespace_labels = labels.map_err(|problem| {
            let namespace = &asked.subject.namespace;
            ApiError::unavailable(format!(
                "the labels of the namespace {namespace:?} are not known: {problem}"
            ))
        })?;
        let question = VerdictRequest { pod: asked.subject.clone(), policies: None, images: Vec::new() };
        let verdict = self.judge(&Query::new(self.ask.snapshot()), &question)?;
        if !mutates {
            self.metrics.decided(verdict.verdict.as_str(), begun.elapsed());
            tell(&asked, &verdict);
            self.record(&uid, &asked, &verdict);
        }
        Ok(Json(answer(&uid, &asked, &verdict, mutates)))
    }

    /// Has a pod that is not simply allowed written to the log. Nobody waits for that.
    fn record(&self, uid: &str, asked: &Asked, verdict: &PodVerdict) {
        if !asked.is_pod || asked.is_dry_run || verdict.verdict == Verdict::Allowed {
            return;
        }
        if self.records.try_send(recorded(uid, asked, verdict)).is_err() {
            self.metrics.unrecorded.inc();
        }
    }

    /// The verdict, from memory alone.
    fn judge(&self, query: &Query, question: &VerdictRequest) -> Result<PodVerdict, ApiError> {
        let behind = behind(self.ask.as_ref());
        query.verdict(question, Timestamp::now(), behind).map_err(ApiError::invalid)
    }
}

fn recorded(uid: &str, asked: &Asked, verdict: &PodVerdict) -> AdmissionRecord {
    let short = |text: &str| text.chars().take(NAME).collect::<String>();
    let (workload, (findings, more)) = (asked.subject.workload.as_ref(), verdict.findings(TEXTS));
    AdmissionRecord {
        id: short(uid),
        time: Timestamp::now(),
        times: 1,
        user: short(&asked.user),
        namespace: short(&asked.subject.namespace),
        kind: short(workload.map_or("Pod", |of| &of.kind)),
        name: short(workload.map_or("", |of| &of.name)),
        verdict: verdict.verdict,
        decision: verdict.decision,
        findings,
        more,
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
