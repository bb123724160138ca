//! Asks the API of this process on behalf of whoever looks at the page.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use maud::Markup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::frame::{Failed, View};
use super::look::Look;
use crate::api::Problem;
use crate::oci::{Digest, Timestamp};

/// Bytes of an answer, at most. A view asks for pages.
const LONGEST: usize = 8 << 20;

/// The parameters of a question that has none.
pub(super) const NOTHING: [(&str, &str); 0] = [];

/// The API that the page stands in front of.
#[derive(Clone)]
pub(super) struct Site {
    /// The API of the process.
    pub(super) api: Router,
    /// It has an audit trail.
    pub(super) has_trail: bool,
}

/// The API, as whoever looks at a view may ask it.
pub(super) struct Asking {
    site: Site,
    headers: HeaderMap,
    address: Option<ConnectInfo<SocketAddr>>,
    /// The hash of all that was answered and is shown. The time is not part of it.
    seen: Mutex<Digest>,
    look: Look,
}

impl FromRequestParts<Site> for Asking {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failed> {
        let kept = |name| parts.headers.get(&name).map(|value| (name, value.clone()));
        let headers = [AUTHORIZATION, HOST].into_iter().filter_map(kept).collect();
        let given: Vec<(String, String)> =
            serde_urlencoded::from_str(parts.uri.query().unwrap_or_default()).map_err(Failed::invalid)?;
        let given: BTreeMap<String, String> =
            given.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let seen = Mutex::new(Digest::of(parts.uri.to_string().as_bytes()));
        let look = Look::new(parts.uri.path(), given, Timestamp::now());
        Ok(Self { site: site.clone(), headers, address: parts.extensions.get().copied(), seen, look })
    }
}

impl Asking {
    /// Returns `true` if the process keeps an audit trail.
    pub(super) fn has_trail(&self) -> bool {
        self.site.has_trail
    }

    /// The view that is asked for.
    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Refuses a time where the view is of the present alone, and parameters that it does not have.
    pub(super) fn only_now(&self, known: &[&str]) -> Result<(), Failed> {
        match self.look.at() {
            Some(_) => Err(Failed::invalid("at: this view is of the present alone; leave the time out")),
            None => self.only(known),
        }
    }

    /// Refuses parameters that the view does not have.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Failed> {
        match self.look.unknown(known) {
            Some(name) => {
                Err(Failed::invalid(format!("unknown field `{name}`: this view has no such parameter")))
            }
            None => Ok(()),
        }
    }

    /// The answer to a question, or the problem that the API has with it. The question is about the time of the view.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, Failed> {
        let at = serde_urlencoded::to_string([("at", self.look.at())]).map_err(Failed::internal)?;
        self.answer(question(path, parameters, &at)?).await
    }

    /// The same for a question that needs a body. Those are about the present.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failed> {
        let body = serde_json::to_vec(body).map_err(Failed::internal)?;
        self.answer(Request::post(path).body(Body::from(body)).map_err(Failed::internal)?).await
    }

    /// The answer to a question about this very moment. It changes all the time: the view counts as the same whatever it is.
    pub(super) async fn at_this_moment<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, Failed> {
        let body = self.ask(question(path, parameters, "")?).await?;
        serde_json::from_slice(&whole(body).await?).map_err(Failed::internal)
    }

    /// The first lines of an answer that is made while it is read, and whether there are more.
    pub(super) async fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
        most: usize,
    ) -> Result<(Vec<T>, bool), Failed> {
        let mut body = self.ask(question(path, parameters, "")?).await?;
        let (mut read, mut number, mut has_more) = (Vec::new(), 0, false);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(Failed::internal)?.into_data() else { continue };
            number += piece.iter().filter(|byte| **byte == b'\n').count();
            read.extend_from_slice(&piece);
            has_more = number > most || read.len() > LONGEST;
            if has_more {
                break;
            }
        }
        let lines = read.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let lines: Vec<&[u8]> = lines.filter(|line| line.len() > 1).take(most).collect();
        let lines = lines.into_iter().map(serde_json::from_slice);
        Ok((lines.collect::<Result<_, _>>().map_err(Failed::internal)?, has_more))
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<T, Failed> {
        let body = whole(self.ask(request).await?).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(Failed::internal)?;
        self.note(&answer);
        serde_json::from_value(answer).map_err(Failed::internal)
    }

    /// The body of the answer to a request of whoever looks, or the problem that the API has with it.
    async fn ask(&self, mut request: Request<Body>) -> Result<Body, Failed> {
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(address) = self.address {
            request.extensions_mut().insert(address);
        }
        let Ok(response) = self.site.api.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::OK {
            return Ok(body);
        }
        let problem: Problem = serde_json::from_slice(&whole(body).await?).map_err(Failed::internal)?;
        Err(Failed::new(parts.status, &parts.headers, problem))
    }

    /// Adds an answer to the hash. The position of a list changes with whatever happens elsewhere, and is not shown.
    fn note(&self, answer: &Value) {
        let metadata = &answer["metadata"];
        let shown = match answer.get("items") {
            Some(items) => {
                format!("{items} {} {}", metadata["remainingItemCount"], metadata["continue"].is_null())
            }
            None => answer.to_string(),
        };
        self.see(shown.as_bytes());
    }

    /// Adds something that is shown to the hash.
    pub(super) fn see(&self, shown: &[u8]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Digest::of(&[&seen.as_bytes()[..], shown].concat());
    }

    /// The view of what was answered.
    pub(super) fn view(self, title: String, content: Markup) -> View {
        let tag = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        View { title, look: self.look, content, tag, has_past: true }
    }

    /// The same for a view that there is of the present alone.
    pub(super) fn view_of_the_present(self, title: String, content: Markup) -> View {
        View { has_past: false, ..self.view(title, content) }
    }
}

/// The request for a path with these parameters, and others that are written out.
fn question(path: &str, parameters: &impl Serialize, others: &str) -> Result<Request<Body>, Failed> {
    let parameters = serde_urlencoded::to_string(parameters).map_err(Failed::internal)?;
    Request::get(format!("{path}?{parameters}&{others}")).body(Body::empty()).map_err(Failed::internal)
}

/// The whole body of an answer.
async fn whole(body: Body) -> Result<Bytes, Failed> {
    let too_long = |_| Failed::internal("the answer is longer than what a view shows: narrow the question");
    to_bytes(body, LONGEST).await.map_err(too_long)
}
