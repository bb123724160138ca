//! Errors as HTTP has them.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
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
