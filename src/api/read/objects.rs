//! The routes of single objects, and of many at once.

use axum::Json;
use axum::extract::Path;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Asked, Params};
use crate::api::ApiError;
use crate::api::error::Problem;
use crate::query::answer::{List, Resolution};
use crate::query::{Query, RefError};

/// REFs of one look-up, at most.
const MOST_REFS: usize = 1_000;

/// The parameters of a question about one REF.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RefParams {
    /// The image, as a REF.
    #[serde(rename = "ref")]
    reference: String,
}

/// A question without parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NoParams {}

pub(in crate::api) async fn resolve(asked: Asked, Params(params): Params<RefParams>) -> Answer {
    asked.question(move |query: Query| query.resolution(&params.reference)).await
}

/// Names of one kind that are suggested, at most.
const MOST_SUGGESTED: usize = 8;

/// The parameters of a question for names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SuggestParams {
    /// The beginning of a name, as far as it is typed.
    q: String,
}

pub(in crate::api) async fn suggestions(asked: Asked, Params(params): Params<SuggestParams>) -> Answer {
    let of = asked.clone();
    let suggest = move |query: Query| {
        let items = query.suggestions(&params.q, MOST_SUGGESTED);
        Ok::<_, RefError>(List { metadata: of.metadata(&query), ..List::new(items) })
    };
    asked.question(suggest).await
}

/// The parameters of `explain`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ExplainParams {
    /// The image, as a REF.
    #[serde(rename = "ref")]
    reference: String,
    /// As of this time of RFC 3339, or as of this span of time ago (`7d`).
    at: Option<String>,
}

pub(in crate::api) async fn explain(asked: Asked, Params(params): Params<ExplainParams>) -> Answer {
    let asked = asked.about(params.at.as_deref())?;
    let of = asked.clone();
    let explain = move |query: Query| {
        let items = query.explain(&params.reference)?;
        Ok::<_, RefError>(List { metadata: of.metadata(&query), ..List::new(items) })
    };
    asked.question(explain).await
}

pub(in crate::api) async fn image(asked: Asked, Path(image): Path<String>, _: Params<NoParams>) -> Answer {
    asked.question(move |query: Query| query.image(&image)).await
}

pub(in crate::api) async fn explain_image(
    asked: Asked,
    Path(image): Path<String>,
    _: Params<NoParams>,
) -> Answer {
    asked.question(move |query: Query| query.explain_one(&image)).await
}

pub(in crate::api) async fn chain(asked: Asked, Path(chain): Path<String>, _: Params<NoParams>) -> Answer {
    asked.long_question(move |query: Query| query.chain(&chain)).await
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
    asked: Asked,
    _: Params<NoParams>,
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
        Ok::<_, ApiError>(LookedUp { items: refs.into_iter().map(one).collect() })
    };
    asked.long_question(look_up).await
}
