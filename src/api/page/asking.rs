//! Asks the API of this process on behalf of whoever looks at the page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use maud::Markup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::frame::{Failed, View};
use crate::api::Problem;
use crate::oci::Digest;

/// Bytes of an answer, at most. A view asks for pages.
const LONGEST: usize = 32 << 20;

/// The API, as whoever looks at a view may ask it.
pub(super) struct Asking {
    api: Router,
    headers: HeaderMap,
    address: Option<ConnectInfo<SocketAddr>>,
    /// The hash of all answers so far. A view shows nothing else, apart from the time.
    seen: Mutex<Digest>,
}

impl FromRequestParts<Router> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Router) -> Result<Self, Infallible> {
        let given = |name| parts.headers.get(&name).map(|value| (name, value.clone()));
        let headers = [AUTHORIZATION, HOST].into_iter().filter_map(given).collect();
        let seen = Mutex::new(Digest::of(parts.uri.to_string().as_bytes()));
        Ok(Self { api: api.clone(), headers, address: parts.extensions.get().copied(), seen })
    }
}

impl Asking {
    /// The answer to a question, or the problem that the API has with it.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, Failed> {
        let parameters = serde_urlencoded::to_string(parameters).map_err(Failed::internal)?;
        let mut request =
            Request::get(format!("{path}?{parameters}")).body(Body::empty()).map_err(Failed::internal)?;
        *request.headers_mut() = self.headers.clone();
        if let Some(address) = self.address {
            request.extensions_mut().insert(address);
        }
        let Ok(response) = self.api.clone().oneshot(request).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), LONGEST).await.map_err(Failed::internal)?;
        if status != StatusCode::OK {
            let problem: Problem = serde_json::from_slice(&body).map_err(Failed::internal)?;
            return Err(Failed { status, problem: Box::new(problem) });
        }
        let answer: Value = serde_json::from_slice(&body).map_err(Failed::internal)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // The metadata of a list has its position, which changes with whatever happens elsewhere.
        let shown = answer.get("items").unwrap_or(&answer).to_string();
        *seen = Digest::of(&[&seen.as_bytes()[..], shown.as_bytes()].concat());
        drop(seen);
        serde_json::from_value(answer).map_err(Failed::internal)
    }

    /// The view of what was answered.
    pub(super) fn view(self, title: String, at: Option<&str>, content: Markup) -> View {
        let tag = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        View { title, at: at.map(str::to_owned), content, tag }
    }
}
