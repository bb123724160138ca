//! The routes of queries.

mod counts;
mod lines;
mod lists;
mod objects;
pub(super) mod params;
mod watch;

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{FromRequestParts, Query as Params};
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::Ask;
use super::error::ApiError;
use super::limits::Limits;
use crate::query::Query;

pub(super) use counts::{CoverageParams, UnknownBasesParams, UsageParams, coverage, unknown_bases, usage};
pub(super) use lists::{
    ancestors, ancestors_of_image, classes, descendants, descendants_of_image, equivalents_of_image, groups,
    images, tags,
};
pub(super) use objects::{
    LookedUp, Lookup, NoParams, RefParams, chain, explain, explain_image, image, lookup, resolve,
};

type Answer = Result<Response, ApiError>;

/// The process that is asked, and the bounds for the one who asks.
#[derive(Clone)]
pub(super) struct Asked {
    process: Arc<dyn Ask>,
    limits: Arc<Limits>,
}

impl FromRequestParts<Arc<dyn Ask>> for Asked {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        process: &Arc<dyn Ask>,
    ) -> Result<Self, ExtensionRejection> {
        let Extension(limits) = Extension::from_request_parts(parts, process).await?;
        Ok(Self { process: Arc::clone(process), limits })
    }
}

impl Asked {
    fn query(&self) -> Query {
        Query::new(self.process.snapshot())
    }

    /// Answers a question whose cost does not grow with the index.
    async fn question<T: Serialize, E: Into<ApiError> + Send + 'static>(
        self,
        question: impl FnOnce(Query) -> Result<T, E> + Send + 'static,
    ) -> Answer {
        let limits = Arc::clone(&self.limits);
        limits.answer(&limits.questions, move || question(self.query())).await
    }

    /// Answers a question that may keep a core busy.
    async fn long_question<T: Serialize, E: Into<ApiError> + Send + 'static>(
        self,
        question: impl FnOnce(Query) -> Result<T, E> + Send + 'static,
    ) -> Answer {
        let limits = Arc::clone(&self.limits);
        limits.answer(&limits.lists, move || question(self.query())).await
    }
}
