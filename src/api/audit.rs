//! The route of the audit trail.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query as Params, State};
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Audited;
use super::error::ApiError;
use super::limits::Limits;
use super::read::params::time_of;
use crate::audit::Question;
use crate::oci::{Digest, Timestamp};
use crate::query::answer::API_VERSION;

/// Entries of a page, if it does not say how many.
const PAGE: usize = 100;
/// Entries of a page, at most.
const MOST: usize = 1_000;

/// The parameters of a question about the audit trail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditParams {
    /// About this image, by its digest.
    image: Option<String>,
    /// About this class.
    class: Option<String>,
    /// About this group.
    group: Option<String>,
    /// About this policy.
    policy: Option<String>,
    /// About this workload, by its key.
    workload: Option<String>,
    /// About this rebuild.
    rebuild: Option<String>,
    /// Of this kind (`image.outdated`), or with a `*` at the end of any that begins so (`class.*`).
    what: Option<String>,
    /// At this time of RFC 3339 or later, or since this span of time ago (`30d`).
    since: Option<String>,
    /// At this time of RFC 3339 or earlier, or before this span of time ago.
    until: Option<String>,
    /// At most so many entries.
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
    /// The token of the page before.
    #[serde(rename = "continue")]
    token: Option<u64>,
}

impl Default for AuditParams {
    fn default() -> Self {
        let (image, class, group, policy, workload, rebuild, what) = Default::default();
        let (since, until, limit, token) = (None, None, PAGE, None);
        Self { image, class, group, policy, workload, rebuild, what, since, until, limit, token }
    }
}

/// Entries of the audit trail, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditList {
    /// The version of the API's objects.
    api_version: &'static str,
    /// `List`.
    kind: &'static str,
    /// The token of the next page.
    metadata: AuditMetadata,
    /// The entries, as they stand in the trail.
    #[schemars(schema_with = "entries")]
    items: Vec<Box<RawValue>>,
}

/// The token of the next page, and the lines that are missing.
#[derive(Debug, Serialize, JsonSchema)]
struct AuditMetadata {
    /// The token for the next page. Absent on the last one.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The number of lines that may be about the object and were left out, since they do not have their hash: `clade audit verify`
    /// tells more.
    damaged: u64,
}

fn entries(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "array", "items": { "type": "object" } })
}

pub(super) async fn audit(
    State(audited): State<Arc<dyn Audited>>,
    Extension(limits): Extension<Arc<Limits>>,
    Params(params): Params<AuditParams>,
) -> Result<Response, ApiError> {
    let question = question(params, Timestamp::now())?;
    let search = move || {
        let found = audited.entries(&question)?;
        let items = found.lines.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
        Ok::<_, ApiError>(AuditList {
            api_version: API_VERSION,
            kind: "List",
            metadata: AuditMetadata { token: found.next.map(|seq| seq.to_string()), damaged: found.damaged },
            items: items.map_err(ApiError::internal)?,
        })
    };
    limits.answer(&limits.lists, search).await
}

fn question(params: AuditParams, now: Timestamp) -> Result<Question, ApiError> {
    let moment = |name: &str, text: Option<String>| text.map(|text| time_of(name, &text, now)).transpose();
    let AuditParams { image, class, group, policy, workload, rebuild, what, limit, token, .. } = params;
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::invalid(format!("limit {limit}: write a number from 1 to {MOST}")));
    }
    let since = moment("since", params.since)?;
    let until = moment("until", params.until)?;
    let digest = |text: String| {
        text.parse::<Digest>().map_err(|_| {
            ApiError::invalid(format!(
                "image {text:?}: write its digest, sha256: and 64 digits; /v1/resolve tells it"
            ))
        })
    };
    let image = image.map(digest).transpose()?;
    Ok(Question { image, class, group, policy, workload, rebuild, what, since, until, before: token, limit })
}
