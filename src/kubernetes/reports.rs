//! Reports of OpenReports (`openreports.io/v1alpha1`): lists, writes and deletes those of clade.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use serde_json::{Value, json};

use super::cluster::{Cluster, KubernetesError, answer, told};

/// The label of the reports of clade; its value is the name of the instance that keeps them.
const OURS: &str = "clade.dev/reports";
/// The annotation that names the decision that a report is of.
const DECIDED: &str = "clade.dev/decided";
const MANAGER: &str = "clade-reports";
/// Reports of one page of a list.
const PAGE: u32 = 500;

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("openreports.io", "v1alpha1", "Report"))
}

/// A report as it is on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandingReport {
    /// The decision that it is of.
    pub decided: String,
    /// Distinguishes the report from a later one of the same name.
    pub uid: String,
    /// Changes with every change of the report.
    pub version: String,
}

impl StandingReport {
    fn of(metadata: ObjectMeta) -> Self {
        Self {
            decided: metadata.annotations.and_then(|mut of| of.remove(DECIDED)).unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
        }
    }
}

/// The reports of an instance of clade by namespace and name.
pub async fn list_reports(
    cluster: &Cluster,
    instance: &str,
) -> Result<BTreeMap<(String, String), StandingReport>, KubernetesError> {
    let api: Api<DynamicObject> = Api::all_with(cluster.client(), &kind());
    let mut params = ListParams::default().labels(&format!("{OURS}={instance}")).limit(PAGE);
    let mut found = BTreeMap::new();
    loop {
        let page = answer(api.list_metadata(&params)).await.map_err(|error| failure(&error))?;
        found.extend(page.items.into_iter().map(place));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn place(report: PartialObjectMeta<DynamicObject>) -> ((String, String), StandingReport) {
    let metadata = report.metadata;
    let at = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
    (at, StandingReport::of(metadata))
}

/// Creates or replaces a report of this instance and of this decision.
pub async fn write_report(
    cluster: &Cluster,
    instance: &str,
    (namespace, name): &(String, String),
    (decided, body): (&str, &Value),
) -> Result<StandingReport, KubernetesError> {
    let mut object = body.clone();
    (object["apiVersion"], object["kind"]) = ("openreports.io/v1alpha1".into(), "Report".into());
    object["metadata"] = json!({"labels": {OURS: instance}, "annotations": {DECIDED: decided}});
    (object["metadata"]["namespace"], object["metadata"]["name"]) =
        (namespace.as_str().into(), name.as_str().into());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &kind());
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&object));
    let written = answer(api.patch_metadata(name, &params, &patch)).await;
    written.map(|report| StandingReport::of(report.metadata)).map_err(|error| failure(&error))
}

/// Deletes the report with this uid. One that is gone already is no error.
pub async fn delete_report(
    cluster: &Cluster,
    (namespace, name): &(String, String),
    uid: &str,
) -> Result<(), KubernetesError> {
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &kind());
    let uid = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let params = DeleteParams { preconditions: Some(uid), ..DeleteParams::default() };
    match answer(api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        // A conflict: another report has that name now.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(failure(&error)),
    }
}

/// The error of a request. `Refused` is one that the server will answer in the same way: the kind or the namespace is not there, a right
/// is missing, a quota is full.
fn failure(error: &kube::Error) -> KubernetesError {
    match error {
        kube::Error::Api(status) if status.code == 404 => KubernetesError::Refused(
            "it has no Reports of openreports.io/v1alpha1, or the namespace is gone: install the custom resource \
             definitions of OpenReports, or leave --reports out"
                .to_owned(),
        ),
        kube::Error::Api(status) if (400..429).contains(&status.code) => KubernetesError::Refused(told(error)),
        error => KubernetesError::api(error),
    }
}
