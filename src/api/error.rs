//! Errors as HTTP has them.

use axum::Json;
use axum::body::to_bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::publisher::PublishError;
use crate::query::RefError;
use crate::subscribe::SubscribeError;

/// The body of every error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What was wrong.
    pub error: String,
}

/// An error and its status.
pub struct ApiError(StatusCode, String);

impl ApiError {
    pub(super) fn invalid(problem: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, problem.to_string())
    }

    pub(super) fn not_found(problem: impl ToString) -> Self {
        Self(StatusCode::NOT_FOUND, problem.to_string())
    }

    pub(super) fn unauthorized(problem: impl ToString) -> Self {
        Self(StatusCode::UNAUTHORIZED, problem.to_string())
    }

    /// It will be there soon.
    pub(super) fn unavailable(problem: impl ToString) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, problem.to_string())
    }

    pub(super) fn internal(problem: impl ToString) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, problem.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        let again = (status == StatusCode::SERVICE_UNAVAILABLE).then_some([(RETRY_AFTER, "1")]);
        (status, again, Json(ErrorBody { error })).into_response()
    }
}

/// What the framework refuses by itself (a query string, a body, a method) is told as every other error is.
pub(super) async fn as_json(response: Response) -> Response {
    const LONGEST: usize = 64 << 10;
    let (status, headers) = (response.status(), response.headers());
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let allowed = headers.get(ALLOW).cloned();
    let body = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
    let error = match &*String::from_utf8_lossy(&body) {
        "" => status.canonical_reason().unwrap_or("refused").to_owned(),
        told => told.to_owned(),
    };
    let mut response = ApiError(status, error).into_response();
    response.headers_mut().extend(allowed.map(|allowed| (ALLOW, allowed)));
    response
}

/// There is nothing at this path.
pub(super) async fn no_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is no {}", uri.path()))
}

impl From<RefError> for ApiError {
    fn from(error: RefError) -> Self {
        let status = match error {
            RefError::NotFound(_) | RefError::NoClass(_) | RefError::NoGroup(_) => StatusCode::NOT_FOUND,
            RefError::Ambiguous { .. } => StatusCode::CONFLICT,
            RefError::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let status = match error {
            PublishError::NotFound { .. } => StatusCode::NOT_FOUND,
            PublishError::Invalid(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<SubscribeError> for ApiError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Usage(problem) => Self::invalid(problem),
            SubscribeError::Log(error) => Self::internal(error),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::{ApiState, router};
    use crate::engine::{Engine, Options};
    use crate::log::memory::{Faults, MemoryLog};

    async fn asked(method: &str, path: &str, body: &str) -> (u16, String) {
        let log = Arc::new(MemoryLog::new(1, Faults::none()));
        let engine = Engine::publish_only(log, &Options::default().processor);
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = router(ApiState::new(Arc::new(engine))).oneshot(request).await.unwrap();
        let (status, body) = (response.status().as_u16(), response.into_body());
        let told: ErrorBody = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap();
        (status, told.error)
    }

    #[tokio::test]
    async fn every_error_is_json_with_what_was_wrong() {
        assert_eq!(asked("GET", "/v2/images", "").await, (404, "there is no /v2/images".to_owned()));
        assert_eq!(asked("GET", "/v1/apply", "").await, (405, "Method Not Allowed".to_owned()));
        let (status, told) = asked("POST", "/v1/apply", "[").await;
        assert!(status == 400 && told.contains("EOF"), "{status} {told}");
        let (status, told) = asked("DELETE", "/v1/classes", "").await;
        assert!(status == 400 && told.contains("name"), "{status} {told}");
    }
}
