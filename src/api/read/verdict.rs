//! The route of verdicts.

use std::time::Duration;

use axum::Json;

use super::{Answer, Asked, NoParams, Params};
use crate::api::{ApiError, Ask};
use crate::oci::Timestamp;
use crate::policy::Behind;
use crate::query::{Query, VerdictRequest, WorkloadsRequest};
use crate::record::strict;

/// Containers, policies or images of one question, at most.
const MOST: usize = 100;

pub(in crate::api) async fn verdict(
    asked: Asked,
    _: Params<NoParams>,
    Json(body): Json<serde_json::Value>,
) -> Answer {
    let request: VerdictRequest = strict::from_value(body).map_err(ApiError::invalid)?;
    let lengths = [
        ("pod.containers", request.pod.containers.len()),
        ("policies", request.policies.as_ref().map_or(0, Vec::len)),
        ("images", request.images.len()),
    ];
    if let Some((field, length)) = lengths.into_iter().find(|(_, length)| *length > MOST) {
        return Err(ApiError::invalid(format!(
            "{field}: {length} of them; one question takes at most {MOST}"
        )));
    }
    let behind = behind(asked.process.as_ref());
    let judge =
        move |query: Query| query.verdict(&request, Timestamp::now(), behind).map_err(ApiError::invalid);
    asked.question(judge).await
}

pub(in crate::api) async fn workload_verdicts(
    asked: Asked,
    _: Params<NoParams>,
    Json(body): Json<serde_json::Value>,
) -> Answer {
    let request: WorkloadsRequest = strict::from_value(body).map_err(ApiError::invalid)?;
    let policies = request.policies.as_ref().map_or(0, Vec::len);
    if policies > MOST {
        let problem = format!("policies: {policies} of them; one question takes at most {MOST}");
        return Err(ApiError::invalid(problem));
    }
    if !asked.query()?.knows_workloads() {
        return Err(ApiError::unavailable(
            "the topic workloads was not read to its end yet: ask again in a moment",
        ));
    }
    let behind = behind(asked.process.as_ref());
    let judge = move |query: Query| {
        query.workload_verdicts(&request, Timestamp::now(), behind).map_err(ApiError::invalid)
    };
    asked.long_question(judge).await
}

/// The age of the answers of a process.
pub fn behind(process: &dyn Ask) -> Behind {
    let ages = process.partitions().into_iter().map(|of| of.behind_seconds.filter(|_| of.restored));
    let oldest = ages.reduce(|a, b| Some(a?.max(b?)));
    oldest.unwrap_or(Some(0)).map_or(Behind::Never, |seconds| Behind::By(Duration::from_secs(seconds)))
}
