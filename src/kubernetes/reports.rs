//! Reports of OpenReports (`openreports.io/v1alpha1`): lists, writes and deletes those of clade.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use serde_json::Value;

use super::cluster::{Cluster, KubernetesError, answer};

/// The label that the reports of clade have.
pub const REPORT_LABELS: (&str, &str) = ("app.kubernetes.io/managed-by", "clade");
/// The annotation that names the decision that a report is of.
pub const DECIDED: &str = "clade.dev/decided";
const MANAGER: &str = "clade-reports";
/// Reports of one page of a list.
const PAGE: u32 = 500;

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("openreports.io", "v1alpha1", "Report"))
}

/// The reports of clade by namespace and name, each with the decision that it is of.
pub async fn list_reports(cluster: &Cluster) -> Result<BTreeMap<(String, String), String>, KubernetesError> {
    let api: Api<DynamicObject> = Api::all_with(cluster.client(), &kind());
    let (label, value) = REPORT_LABELS;
    let mut params = ListParams::default().labels(&format!("{label}={value}")).limit(PAGE);
    let mut found = BTreeMap::new();
    loop {
        let page = answer(api.list_metadata(&params)).await.map_err(|error| missing(&error))?;
        found.extend(page.items.into_iter().map(place));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn place(report: PartialObjectMeta<DynamicObject>) -> ((String, String), String) {
    let metadata = report.metadata;
    let decided = metadata.annotations.and_then(|mut of| of.remove(DECIDED)).unwrap_or_default();
    ((metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default()), decided)
}

/// Creates or replaces a report.
pub async fn write_report(
    cluster: &Cluster,
    (namespace, name): &(String, String),
    body: &Value,
) -> Result<(), KubernetesError> {
    let mut object = body.clone();
    (object["apiVersion"], object["kind"]) = ("openreports.io/v1alpha1".into(), "Report".into());
    (object["metadata"]["namespace"], object["metadata"]["name"]) =
        (namespace.as_str().into(), name.as_str().into());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &kind());
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&object));
    answer(api.patch_metadata(name, &params, &patch)).await.map(drop).map_err(|error| missing(&error))
}

/// Deletes a report. One that is gone already is no error.
pub async fn delete_report(
    cluster: &Cluster,
    (namespace, name): &(String, String),
) -> Result<(), KubernetesError> {
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &kind());
    match answer(api.delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(KubernetesError::api(&error)),
    }
}

/// The error of a request for reports: a server without them says 404.
fn missing(error: &kube::Error) -> KubernetesError {
    match error {
        kube::Error::Api(status) if status.code == 404 => KubernetesError::Missing(
            "the API server has no Reports of openreports.io/v1alpha1, or the namespace is gone: install the custom resource \
             definitions of OpenReports, or leave --reports out"
                .to_owned(),
        ),
        error => KubernetesError::api(error),
    }
}
