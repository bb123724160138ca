//! The routes of queries.

mod counts;
mod lines;
mod lists;
mod objects;
pub(super) mod params;
mod verdict;
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
use super::limits::{Gate, Limits};
use crate::oci::Timestamp;
use crate::query::Query;
use crate::query::answer::ListMetadata;
use params::past;

pub(super) use counts::{CoverageParams, UnknownBasesParams, UsageParams, coverage, unknown_bases, usage};
pub(super) use lists::{
    ancestors, ancestors_of_image, classes, descendants, descendants_of_image, equivalents_of_image, groups,
    images, policies, tags, workloads,
};
pub(super) use objects::{
    ExplainParams, LookedUp, Lookup, NoParams, RefParams, SuggestParams, chain, explain, explain_image,
    image, lookup, resolve, suggestions,
};
pub use verdict::behind;
pub(super) use verdict::{verdict, workload_verdicts};

type Answer = Result<Response, ApiError>;

/// The process that is asked, and the bounds for the one who asks.
#[derive(Clone)]
pub(super) struct Asked {
    process: Arc<dyn Ask>,
    limits: Arc<Limits>,
    /// The time that the question is about; `None` for the present.
    at: Option<Timestamp>,
}

impl FromRequestParts<Arc<dyn Ask>> for Asked {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        process: &Arc<dyn Ask>,
    ) -> Result<Self, ExtensionRejection> {
        let Extension(limits) = Extension::from_request_parts(parts, process).await?;
        Ok(Self { process: Arc::clone(process), limits, at: None })
    }
}

impl Asked {
    /// The same, about the time that the parameter `at` names.
    fn about(self, at: Option<&str>) -> Result<Self, ApiError> {
        Ok(Self { at: at.map(|text| past(text, Timestamp::now())).transpose()?, ..self })
    }

    fn query(&self) -> Result<Query, ApiError> {
        let snapshot = match self.at {
            None => self.process.snapshot(),
            Some(at) => self.process.past(at)?,
        };
        Ok(Query::new(snapshot))
    }

    /// The metadata of an answer from this query.
    fn metadata(&self, query: &Query) -> ListMetadata {
        ListMetadata { resource_version: query.resource_version(), at: self.at, ..ListMetadata::default() }
    }

    /// Answers a question whose cost does not grow with the index.
    async fn question<T: Serialize, E: Into<ApiError> + Send + 'static>(
        self,
        question: impl FnOnce(Query) -> Result<T, E> + Send + 'static,
    ) -> Answer {
        self.at_gate(|limits| &limits.questions, question).await
    }

    /// Answers a question that may keep a core busy.
    async fn long_question<T: Serialize, E: Into<ApiError> + Send + 'static>(
        self,
        question: impl FnOnce(Query) -> Result<T, E> + Send + 'static,
    ) -> Answer {
        self.at_gate(|limits| &limits.lists, question).await
    }

    async fn at_gate<T: Serialize, E: Into<ApiError> + Send + 'static>(
        self,
        of_present: fn(&Limits) -> &Gate,
        question: impl FnOnce(Query) -> Result<T, E> + Send + 'static,
    ) -> Answer {
        let limits = Arc::clone(&self.limits);
        let gate = if self.at.is_some() { &limits.pasts } else { of_present(&limits) };
        limits.answer(gate, move || question(self.query()?).map_err(E::into)).await
    }
}
