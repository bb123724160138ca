//! The routes of queries.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query as Params, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Ask;
use super::error::ApiError;
use super::limits::{Gate, Limits};
use crate::query::answer::List;
use crate::query::{CoverageBy, Filter, Query, RefError};
use crate::record::State as ImageState;

/// The parameters of a list. The fields of [`Filter`] are flat, since a query string has no structure.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListParams {
    class: Option<String>,
    group: Option<String>,
    state: Option<ImageState>,
    platform: Option<String>,
    repository: Option<String>,
    /// At most so many items.
    limit: Option<usize>,
}

/// The parameters of a list of the relatives of an image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelatedParams {
    /// The image, as a REF.
    #[serde(rename = "ref")]
    reference: String,
    class: Option<String>,
    group: Option<String>,
    state: Option<ImageState>,
    platform: Option<String>,
    repository: Option<String>,
    /// At most so many items.
    limit: Option<usize>,
}

/// The parameters of a list of classes or groups.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NameParams {
    /// The one of this name; without, all of them.
    name: Option<String>,
}

/// The parameters of `explain`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainParams {
    /// The image, as a REF.
    #[serde(rename = "ref")]
    reference: String,
}

/// The parameters of `usage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageParams {
    class: String,
}

impl ListParams {
    fn filter(self) -> Filter {
        let Self { class, group, state, platform, repository, limit: _ } = self;
        Filter { class, group, state, platform, repository }
    }
}

impl RelatedParams {
    fn filter(&self) -> Filter {
        let Self { class, group, platform, repository, .. } = self;
        Filter {
            class: class.clone(),
            group: group.clone(),
            state: self.state,
            platform: platform.clone(),
            repository: repository.clone(),
        }
    }
}

/// A list that is not longer than asked for.
fn cut<T>(mut items: Vec<T>, limit: Option<usize>) -> List<T> {
    items.truncate(limit.unwrap_or(usize::MAX));
    List::new(items)
}

/// The parameters of `coverage`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CoverageParams {
    /// The parts to count as well.
    by: Option<CoverageBy>,
}

/// The parameters of `unknown-bases`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UnknownBasesParams {
    /// Beginnings of fewer images are left out.
    least: Option<u32>,
    /// At most so many items.
    limit: Option<usize>,
}

/// Images that must share a beginning, if the question does not say how many.
const LEAST: u32 = 2;
/// Unknown bases in an answer, at most.
const MOST_BASES: usize = 1_000;

type Answer = Result<Response, ApiError>;
type Bounds = Extension<Arc<Limits>>;

/// Answers a query.
async fn ask<T: Serialize>(
    limits: &Limits,
    gate: &Gate,
    asked: Arc<dyn Ask>,
    question: impl FnOnce(Query) -> Result<T, RefError> + Send + 'static,
) -> Answer {
    limits.answer(gate, move || question(Query::new(asked.snapshot()))).await
}

pub(super) async fn images(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<ListParams>,
) -> Answer {
    let limit = params.limit.unwrap_or(usize::MAX);
    let list = move |query: Query| query.list_images(&params.filter(), limit);
    ask(&limits, &limits.lists, asked, list).await
}

pub(super) async fn tags(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<ListParams>,
) -> Answer {
    let limit = params.limit.unwrap_or(usize::MAX);
    let list = move |query: Query| query.list_tags(&params.filter(), limit).map(List::new);
    ask(&limits, &limits.lists, asked, list).await
}

pub(super) async fn classes(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<NameParams>,
) -> Answer {
    let list = move |query: Query| query.list_classes(params.name.as_deref()).map(List::new);
    ask(&limits, &limits.questions, asked, list).await
}

pub(super) async fn groups(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<NameParams>,
) -> Answer {
    let list = move |query: Query| query.list_groups(params.name.as_deref()).map(List::new);
    ask(&limits, &limits.questions, asked, list).await
}

pub(super) async fn ancestors(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<RelatedParams>,
) -> Answer {
    let list = move |query: Query| {
        query.ancestors(&params.reference, &params.filter()).map(|items| cut(items, params.limit))
    };
    ask(&limits, &limits.lists, asked, list).await
}

pub(super) async fn descendants(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<RelatedParams>,
) -> Answer {
    let list = move |query: Query| {
        let limit = params.limit.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        query.descendants(&params.reference, &params.filter(), |item| {
            if items.len() < limit {
                items.push(item);
            }
            items.len() < limit
        })?;
        Ok(List::new(items))
    };
    ask(&limits, &limits.lists, asked, list).await
}

pub(super) async fn explain(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<ExplainParams>,
) -> Answer {
    let explain = move |query: Query| query.explain(&params.reference).map(List::new);
    ask(&limits, &limits.questions, asked, explain).await
}

pub(super) async fn usage(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<UsageParams>,
) -> Answer {
    ask(&limits, &limits.lists, asked, move |query: Query| query.usage(&params.class)).await
}

pub(super) async fn coverage(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<CoverageParams>,
) -> Answer {
    ask(&limits, &limits.lists, asked, move |query: Query| Ok(query.coverage(params.by))).await
}

pub(super) async fn unknown_bases(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<UnknownBasesParams>,
) -> Answer {
    let least = params.least.unwrap_or(LEAST);
    let limit = params.limit.unwrap_or(MOST_BASES).min(MOST_BASES);
    let list = move |query: Query| Ok(List::new(query.unknown_bases(least, limit)));
    ask(&limits, &limits.lists, asked, list).await
}
