//! Reads what the pods of a workload will ask for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::object::{Kind, Owner, Shape};
use super::read::{Metadata, PodSpec, PodStatus, containers};
use super::sum::{Counted, record};
use crate::oci::lenient;
use crate::record::WorkloadRecord;

#[derive(Deserialize)]
struct Templated {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::field")]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default, deserialize_with = "lenient::field")]
    template: Template,
    /// Of a CronJob.
    #[serde(default, deserialize_with = "lenient::field")]
    job_template: Option<JobTemplate>,
}

#[derive(Deserialize, Default)]
struct JobTemplate {
    #[serde(default, deserialize_with = "lenient::field")]
    spec: JobSpec,
}

#[derive(Deserialize, Default)]
struct JobSpec {
    #[serde(default, deserialize_with = "lenient::field")]
    template: Template,
}

#[derive(Deserialize, Default)]
struct Template {
    #[serde(default, deserialize_with = "lenient::field")]
    spec: PodSpec,
}

/// The record that a workload would have if it had one pod, which has not started: the images that its template asks for. `None`
/// for a Job that a controller has made, whose pods belong to that controller, and for what cannot be read.
pub fn asked(group: &str, kind: &str, json: &str) -> Option<WorkloadRecord> {
    let Templated { metadata, spec } = serde_json::from_str(json).ok()?;
    if Kind::of(group, kind) == Some(Kind::Job) && metadata.owner().is_some() {
        return None;
    }
    let (namespace, name) = metadata.place().ok()?;
    let template = spec.job_template.map_or(spec.template, |job| job.spec.template);
    let (containers, since) = containers(&template.spec, &PodStatus::default());
    let shape = Shape { labels: BTreeMap::new(), containers };
    let owner = Owner { group: group.to_owned(), kind: kind.to_owned(), name };
    let pod = Counted { shape: &shape, since: &since, platform: None };
    Some(record(&namespace, &owner, BTreeMap::new(), std::iter::once(pod)))
}
