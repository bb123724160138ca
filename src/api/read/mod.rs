//! The routes of queries.

mod lines;
pub(super) mod objects;
pub(super) mod params;
mod watch;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query as Params, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ask;
use super::error::ApiError;
use super::limits::{Gate, Limits};
use crate::query::answer::List;
use crate::query::{CoverageBy, Filter, Items, Page, Query, RefError};
use objects::RefParams;
use params::{Known, ListRequest, Listing};

/// The parameters of `usage`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UsageParams {
    class: String,
}

/// The parameters of `coverage`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct CoverageParams {
    /// The parts to count as well.
    by: Option<CoverageBy>,
}

/// The parameters of `unknown-bases`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct UnknownBasesParams {
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

/// Answers a list: whole, a page of it, line by line, or with all changes that come.
async fn list<I: Items>(
    limits: Arc<Limits>,
    gate: fn(&Limits) -> &Gate,
    asked: Arc<dyn Ask>,
    listing: Listing,
    list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
) -> Answer {
    if listing.watches {
        return watch::watch(limits, asked, listing, list).await;
    }
    if listing.as_lines {
        return lines::stream(&limits, asked, listing, list).await;
    }
    let answer = move || {
        let query = Query::new(asked.snapshot());
        let version = query.resource_version();
        listing.listed(list(query, &listing.filter, &listing.page)?, version)
    };
    limits.answer(gate(&limits), answer).await
}

pub(super) async fn images(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Filter)?;
    list(limits, |limits| &limits.lists, asked, listing, Query::list_images).await
}

pub(super) async fn tags(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Filter)?;
    list(limits, |limits| &limits.lists, asked, listing, Query::list_tags).await
}

pub(super) async fn classes(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Name)?;
    let classes = move |query: Query, _: &Filter, page: &Page| {
        page.cut(query.list_classes(request.params.name.as_deref())?, |class| &class.metadata.name)
    };
    list(limits, |limits| &limits.questions, asked, listing, classes).await
}

pub(super) async fn groups(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Name)?;
    let groups = move |query: Query, _: &Filter, page: &Page| {
        page.cut(query.list_groups(request.params.name.as_deref())?, |group| &group.metadata.name)
    };
    list(limits, |limits| &limits.questions, asked, listing, groups).await
}

pub(super) async fn ancestors(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Related)?;
    let reference = request.params.reference.unwrap_or_default();
    let related = move |query: Query, filter: &Filter, page: &Page| query.ancestors(&reference, filter, page);
    list(limits, |limits| &limits.lists, asked, listing, related).await
}

pub(super) async fn descendants(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Related)?;
    let reference = request.params.reference.unwrap_or_default();
    let related =
        move |query: Query, filter: &Filter, page: &Page| query.descendants(&reference, filter, page);
    list(limits, |limits| &limits.lists, asked, listing, related).await
}

pub(super) async fn explain(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<RefParams>,
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
