//! The routes of counts: who uses a class, what is covered, and what nobody has named.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Asked, Params};
use crate::api::ApiError;
use crate::query::answer::{CoverageReport, List, Usage};
use crate::query::{CoverageBy, Query, RefError};

/// Images that must share a beginning, if the question does not say how many.
const LEAST: u32 = 2;
/// Unknown bases in an answer, at most.
const MOST_BASES: usize = 1_000;

/// The parameters of `usage`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UsageParams {
    /// The class.
    class: String,
    /// With `false`, clade counts no tags, which takes long where a class has many members.
    tags: Option<bool>,
    /// As of this time of RFC 3339, or as of this span of time ago (`7d`).
    at: Option<String>,
}

/// The parameters of `coverage`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct CoverageParams {
    /// The parts to count as well.
    by: Option<CoverageBy>,
    /// As of this time of RFC 3339, or as of this span of time ago (`7d`).
    at: Option<String>,
}

/// The parameters of `unknown-bases`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct UnknownBasesParams {
    /// Beginnings of fewer images are left out.
    least: Option<u32>,
    /// At most so many items, and no more than 1,000.
    limit: Option<usize>,
    /// As of this time of RFC 3339, or as of this span of time ago (`7d`).
    at: Option<String>,
}

pub(in crate::api) async fn usage(asked: Asked, Params(params): Params<UsageParams>) -> Answer {
    let asked = asked.about(params.at.as_deref())?;
    let at = asked.at;
    let usage = move |query: Query| {
        Ok::<_, RefError>(Usage { at, ..query.usage(&params.class, params.tags.unwrap_or(true))? })
    };
    asked.long_question(usage).await
}

pub(in crate::api) async fn coverage(asked: Asked, Params(params): Params<CoverageParams>) -> Answer {
    let asked = asked.about(params.at.as_deref())?;
    let at = asked.at;
    let coverage = move |query: Query| Ok::<_, ApiError>(CoverageReport { at, ..query.coverage(params.by) });
    asked.long_question(coverage).await
}

pub(in crate::api) async fn unknown_bases(
    asked: Asked,
    Params(params): Params<UnknownBasesParams>,
) -> Answer {
    let least = params.least.unwrap_or(LEAST);
    let limit = params.limit.unwrap_or(MOST_BASES).min(MOST_BASES);
    let asked = asked.about(params.at.as_deref())?;
    let of = asked.clone();
    let list = move |query: Query| {
        let bases = query.unknown_bases(least, limit);
        Ok::<_, ApiError>(List { metadata: of.metadata(&query), ..List::new(bases) })
    };
    asked.long_question(list).await
}
