//! Errors as HTTP answers: problem details (RFC 9457).

use axum::body::to_bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::query::{RefError, TokenError};
use crate::subscribe::SubscribeError;

/// The codes of errors. Programs may rely on them; `docs/reference/errors.md` lists them.
#[cfg(feature = "internals")]
pub const CODES: &[&str] = &[
    "invalid",
    "forbidden",
    "not-found",
    "no-such-path",
    "method-not-allowed",
    "ambiguous",
    "expired",
    "too-long-ago",
    "too-large",
    "not-ready",
    "busy",
    "internal",
];

/// The media type of an error.
const PROBLEM: &str = "application/problem+json";

/// The body of every error: problem details (RFC 9457). Members that are not understood are to be ignored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`: the status and the code say what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The meaning of the status.
    pub title: String,
    /// The status of HTTP.
    pub status: u16,
    /// The problem, and what to do about it.
    pub detail: String,
    /// The kind of problem, for programs: one of those in `docs/reference/errors.md`.
    pub code: String,
    /// The names that may have been meant, or the digests that the REF may be the beginning of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
}

/// An error with its status, code and text.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    problem: String,
    suggestions: Vec<String>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, problem: impl ToString) -> Self {
        let problem = problem.to_string();
        Self { status, code: code_of(status), problem, suggestions: Vec::new() }
    }

    /// The request cannot be parsed or is invalid.
    pub fn invalid(problem: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// The object does not exist.
    pub fn not_found(problem: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, problem)
    }

    /// Nobody knows the caller, who needs a permission.
    pub fn unauthorized(problem: impl ToString) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, problem)
    }

    /// The caller has no permission.
    pub fn forbidden(problem: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, problem)
    }

    /// The body is of a type that is not taken.
    pub(super) fn wrong_type(problem: impl ToString) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem)
    }

    /// The time that the request is about is no longer on the log.
    pub fn too_long_ago(problem: impl ToString) -> Self {
        Self { code: "too-long-ago", ..Self::new(StatusCode::GONE, problem) }
    }

    /// The request names a host that this process is not known by.
    pub fn misdirected(problem: impl ToString) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, problem)
    }

    /// The request is valid, but it is too early.
    pub fn unavailable(problem: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem)
    }

    /// The request is valid, but too many others are being carried out. Nothing was done.
    pub(super) fn busy() -> Self {
        let problem = "this clade answers as many requests of this kind as it can, and as many wait for their turn: ask \
                       again soon";
        Self { code: "busy", ..Self::unavailable(problem) }
    }

    /// An error that is not the fault of the caller.
    pub fn internal(problem: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
    }

    /// The body of the answer.
    pub(super) fn problem(&self) -> Problem {
        Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.problem.clone(),
            code: self.code.to_owned(),
            suggestions: self.suggestions.clone(),
        }
    }
}

fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "forbidden",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::CONFLICT => "ambiguous",
        StatusCode::GONE => "expired",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => "too-large",
        StatusCode::SERVICE_UNAVAILABLE => "not-ready",
        status if status.is_client_error() => "invalid",
        _ => "internal",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let again = (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some([(RETRY_AFTER, "1")]);
        // It consists of strings and a number.
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        (self.status, again, [(CONTENT_TYPE, PROBLEM)], body).into_response()
    }
}

/// Turns errors of the framework (an invalid query string, body or method) into the form of all other errors.
pub(super) async fn as_problem(response: Response) -> Response {
    const LONGEST: usize = 64 << 10;
    let (status, headers) = (response.status(), response.headers());
    let is_problem = headers.get(CONTENT_TYPE).is_some_and(|of| of.as_bytes() == PROBLEM.as_bytes());
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let allowed = headers.get(ALLOW).cloned();
    let body = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
    let error = match &*String::from_utf8_lossy(&body) {
        "" => status.canonical_reason().unwrap_or("refused").to_owned(),
        told => told.to_owned(),
    };
    let mut response = ApiError::new(status, error).into_response();
    response.headers_mut().extend(allowed.map(|allowed| (ALLOW, allowed)));
    response
}

/// No route has this path.
pub(super) async fn no_path(uri: Uri) -> ApiError {
    ApiError { code: "no-such-path", ..ApiError::not_found(format!("there is no {}", uri.path())) }
}

impl From<RefError> for ApiError {
    fn from(error: RefError) -> Self {
        let status = match error {
            RefError::NotFound { .. }
            | RefError::NoClass { .. }
            | RefError::NoGroup { .. }
            | RefError::NoPolicy { .. }
            | RefError::NotInGroup { .. } => StatusCode::NOT_FOUND,
            RefError::Ambiguous { .. } | RefError::Several { .. } => StatusCode::CONFLICT,
            RefError::Moved { .. } => StatusCode::GONE,
            RefError::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self { suggestions: error.suggestions(), ..Self::new(status, error) }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let status = match error {
            TokenError::Malformed | TokenError::Foreign => StatusCode::BAD_REQUEST,
            TokenError::Expired => StatusCode::GONE,
        };
        Self::new(status, error)
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
