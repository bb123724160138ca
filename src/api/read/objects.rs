//! The routes of single objects, and of many at once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{Known, ListRequest};
use super::{Answer, Bounds, Params, ask, list};
use crate::api::error::Problem;
use crate::api::{ApiError, Ask};
use crate::query::answer::Resolution;
use crate::query::{Filter, Page, Query};

/// REFs of one look-up, at most.
const MOST_REFS: usize = 1_000;

/// The parameters of a question about one REF.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RefParams {
    /// The image, as a REF.
    #[serde(rename = "ref")]
    pub(super) reference: String,
}

/// A question without parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NoParams {}

pub(in crate::api) async fn resolve(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<RefParams>,
) -> Answer {
    let resolve = move |query: Query| query.resolution(&params.reference);
    ask(&limits, &limits.questions, asked, resolve).await
}

pub(in crate::api) async fn image(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(image): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    ask(&limits, &limits.questions, asked, move |query: Query| query.image(&image)).await
}

pub(in crate::api) async fn explain(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(image): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    let explain = move |query: Query| {
        let digest = query.image(&image)?.digest.to_string();
        let explained = query.explain(&digest)?.into_iter().next();
        explained.ok_or_else(|| ApiError::not_found(format!("{digest} is gone")))
    };
    limits.answer(&limits.questions, move || explain(Query::new(asked.snapshot()))).await
}

pub(in crate::api) async fn ancestors(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(image): Path<String>,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Filter)?;
    let related = move |query: Query, filter: &Filter, page: &Page| query.ancestors(&image, filter, page);
    list(limits, |limits| &limits.lists, asked, listing, related).await
}

pub(in crate::api) async fn descendants(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(image): Path<String>,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Filter)?;
    let related = move |query: Query, filter: &Filter, page: &Page| query.descendants(&image, filter, page);
    list(limits, |limits| &limits.lists, asked, listing, related).await
}

pub(in crate::api) async fn equivalents(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(image): Path<String>,
    request: ListRequest,
) -> Answer {
    let listing = request.listing(Known::Nothing)?;
    let related = move |query: Query, _: &Filter, page: &Page| {
        let items = query.equivalents(&image)?.into_iter().map(|item| (item.digest.to_string(), item));
        let cut = page.cut(items.collect(), |(digest, _)| digest)?;
        Ok(cut.map(|(_, item)| item))
    };
    list(limits, |limits| &limits.lists, asked, listing, related).await
}

pub(in crate::api) async fn chain(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Path(chain): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    ask(&limits, &limits.lists, asked, move |query: Query| query.chain(&chain)).await
}

/// The body of a look-up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Lookup {
    /// REFs, at most a thousand. Chain IDs are not among them.
    refs: Vec<String>,
}

/// The answer to a look-up.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api) struct LookedUp {
    /// One for each REF, in their order.
    items: Vec<LookedUpRef>,
}

/// The answer to one REF of a look-up.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::api) enum LookedUpRef {
    /// The objects that it names.
    Found(Resolution),
    /// The reason why it names none.
    Failed {
        /// The REF.
        #[serde(rename = "ref")]
        reference: String,
        /// The problem.
        problem: Problem,
    },
}

pub(in crate::api) async fn lookup(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Json(Lookup { refs }): Json<Lookup>,
) -> Answer {
    if refs.len() > MOST_REFS {
        let problem = format!("refs: {} of them; one look-up takes at most {MOST_REFS}", refs.len());
        return Err(ApiError::invalid(problem));
    }
    let look_up = move |query: Query| {
        let one = |reference: String| match query.resolution_of_many(&reference) {
            Ok(found) => LookedUpRef::Found(found),
            Err(error) => LookedUpRef::Failed { reference, problem: ApiError::from(error).problem() },
        };
        Ok(LookedUp { items: refs.into_iter().map(one).collect() })
    };
    ask(&limits, &limits.lists, asked, look_up).await
}
