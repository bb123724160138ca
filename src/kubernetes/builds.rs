//! Builds of BuildConfigs: beginning one, at most once, and seeing what became of it.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ListParams, PostParams};
use serde::Deserialize;
use serde_json::json;

use super::cluster::{Cluster, answer, told};
use super::kinds::{Build as BuildKind, BuildConfig};
use super::raw::{Kind as _, Raw};
use crate::oci::{Digest, Timestamp};
use crate::openshift;
use crate::record::BuildConfigRecord;

/// The annotation with the rebuild that a build belongs to.
const REBUILD: &str = "clade.dev/rebuild";
/// And the one with the number of the attempt.
const ATTEMPT: &str = "clade.dev/attempt";
/// By this label the builds of a BuildConfig are found; it is cut to what a label's value can have.
const CONFIG: &str = "openshift.io/build-config.name";
const LABEL_VALUE: usize = 63;
const NUMBER: &str = "openshift.io/build.number";
/// What `oc start-build --from-build` has repeated.
const CLONE: &str = "openshift.io/build.clone-of";

/// A build as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildNow {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub phase: BuildPhase,
    /// When it was begun, by the API server's clock.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What it says of itself.
    pub message: String,
    /// Counts the builds of its BuildConfig, from 1.
    pub number: Option<u64>,
    /// The rebuild that it was begun for, and the attempt.
    pub begun_for: Option<(String, u32)>,
    /// The image that it has pushed.
    pub image: Option<Digest>,
    /// Whether it repeats another build, with the very images that that one was built on.
    pub is_clone: bool,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildPhase {
    /// It runs, or will.
    Unfinished,
    /// Its image was pushed.
    Complete,
    /// It has failed or was cancelled.
    Failed,
}

/// Why something about a build could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The BuildConfig or build is not there.
    #[error("it is gone")]
    Gone,
    /// The API server lets nobody with these rights do it; trying again would not help.
    #[error("{0}")]
    Forbidden(String),
    /// The API server does not let it be done now, as when a quota is used up.
    #[error("{0}")]
    NotNow(String),
    /// The API server refuses the request as it is.
    #[error("{0}")]
    Refused(String),
    /// Anything else: nobody knows whether it was done.
    #[error("{0}")]
    Unknown(String),
}

/// A build that is to be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest<'a> {
    /// Namespace of the BuildConfig.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The `status.lastVersion` that it has; if it has another meanwhile, nothing is begun.
    pub last_version: u64,
    /// The rebuild.
    pub rebuild: &'a str,
    /// Counts the attempts of this rebuild at this BuildConfig.
    pub attempt: u32,
    /// Why, for people: it stands on the build.
    pub message: &'a str,
}

#[derive(Deserialize, Default)]
struct BuildObject {
    #[serde(default)]
    status: BuildStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    completion_timestamp: Option<Timestamp>,
    #[serde(default)]
    output: BuildOutput,
}

#[derive(Deserialize, Default)]
struct BuildOutput {
    #[serde(default)]
    to: Option<BuildOutputTo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildOutputTo {
    #[serde(default)]
    image_digest: String,
}

/// A BuildConfig as it is now.
pub async fn build_config(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<BuildConfigRecord, BuildError> {
    let api: Api<Raw<BuildConfig>> = Api::namespaced_with(cluster.client(), namespace, &());
    let object = answer(api.get(name)).await.map_err(|error| failed(&error))?;
    openshift::build_config(object.json.get())
        .map_err(|error| BuildError::Refused(format!("the BuildConfig cannot be read: {error}")))
}

/// The builds of a BuildConfig that are there, in no order.
pub async fn builds_of(cluster: &Cluster, namespace: &str, name: &str) -> Result<Vec<BuildNow>, BuildError> {
    let api: Api<Raw<BuildKind>> = Api::namespaced_with(cluster.client(), namespace, &());
    let label = &name[..name.floor_char_boundary(LABEL_VALUE)];
    let params = ListParams::default().labels(&format!("{CONFIG}={label}"));
    let list = answer(api.list(&params)).await.map_err(|error| failed(&error))?;
    let is_of = |object: &Raw<BuildKind>| {
        // The label is cut, the annotation is whole.
        let annotations = object.metadata.annotations.as_ref();
        annotations.and_then(|of| of.get(CONFIG)).is_none_or(|of| of == name)
    };
    list.items.into_iter().filter(is_of).map(build_now).collect()
}

/// A build as it is now.
pub async fn build(cluster: &Cluster, namespace: &str, name: &str) -> Result<BuildNow, BuildError> {
    let api: Api<Raw<BuildKind>> = Api::namespaced_with(cluster.client(), namespace, &());
    build_now(answer(api.get(name)).await.map_err(|error| failed(&error))?)
}

/// Begins a build, if the BuildConfig still has that `lastVersion`. [`BuildError::Unknown`] says that nobody knows whether
/// it was begun; asking again with the same request cannot begin a second one.
pub async fn instantiate(cluster: &Cluster, request: &BuildRequest<'_>) -> Result<BuildNow, BuildError> {
    // A label finds them, and the annotation says which rebuild: its name may be longer than a label's value can be.
    let is_label = request.rebuild.len() <= LABEL_VALUE;
    let label =
        if is_label { request.rebuild.to_owned() } else { Digest::of(request.rebuild.as_bytes()).short() };
    let label = label.replace(':', "-");
    let annotations =
        BTreeMap::from([(REBUILD, request.rebuild.to_owned()), (ATTEMPT, request.attempt.to_string())]);
    let body = json!({
        "kind": "BuildRequest",
        "apiVersion": format!("{}/{}", BuildConfig::GROUP, BuildConfig::VERSION),
        "metadata": {"name": request.name, "labels": {REBUILD: label}, "annotations": annotations},
        "triggeredBy": [{"message": request.message}],
        "lastVersion": request.last_version,
    });
    // Creating a subresource of the BuildConfig answers with a Build.
    let configs: Api<Raw<BuildConfig>> = Api::namespaced_with(cluster.client(), request.namespace, &());
    let begun: Raw<BuildKind> =
        answer(configs.create_subresource("instantiate", request.name, &PostParams::default(), &body))
            .await
            .map_err(|error| failed(&error))?;
    build_now(begun)
}

fn build_now(object: Raw<BuildKind>) -> Result<BuildNow, BuildError> {
    let read: BuildObject = serde_json::from_str(object.json.get())
        .map_err(|error| BuildError::Refused(format!("the Build cannot be read: {error}")))?;
    let BuildStatus { phase, reason, message, completion_timestamp, output } = read.status;
    let annotations = object.metadata.annotations.unwrap_or_default();
    // A clone has the annotations of what it repeats.
    let is_clone = annotations.contains_key(CLONE);
    let begun_for = annotations
        .get(REBUILD)
        .filter(|_| !is_clone)
        .zip(annotations.get(ATTEMPT).and_then(|attempt| attempt.parse().ok()))
        .map(|(rebuild, attempt)| (rebuild.clone(), attempt));
    // The client's library has another version of the type.
    let created = object
        .metadata
        .creation_timestamp
        .as_ref()
        .and_then(|time| Timestamp::from_second(time.0.as_second()).ok());
    Ok(BuildNow {
        name: object.metadata.name.unwrap_or_default(),
        phase: match phase.as_str() {
            "Complete" => BuildPhase::Complete,
            "Failed" | "Error" | "Cancelled" => BuildPhase::Failed,
            _ => BuildPhase::Unfinished,
        },
        created: created.unwrap_or(Timestamp::UNIX_EPOCH),
        ended: completion_timestamp,
        message: [phase, reason, message]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(": "),
        number: annotations.get(NUMBER).and_then(|number| number.parse().ok()),
        begun_for,
        image: output.to.and_then(|to| to.image_digest.parse().ok()),
        is_clone,
    })
}

fn failed(error: &kube::Error) -> BuildError {
    match error {
        // Of the object itself, and not of its kind, or of a proxy that knows nothing.
        kube::Error::Api(status) if status.code == 404 => {
            let names_it = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
            if names_it { BuildError::Gone } else { BuildError::Unknown(told(error)) }
        }
        // Only the authorizer says that a user cannot; a quota or a namespace that ends is otherwise tomorrow.
        kube::Error::Api(status) if status.code == 403 => match status.message.contains(" cannot ") {
            true => BuildError::Forbidden(told(error)),
            false => BuildError::NotNow(status.message.clone()),
        },
        kube::Error::Api(status) if status.code == 401 => BuildError::NotNow(told(error)),
        // A conflict is two that begin at once; a 429 and a 5xx may be otherwise in a moment.
        kube::Error::Api(status) if status.code < 500 && status.code != 409 && status.code != 429 => {
            BuildError::Refused(status.message.clone())
        }
        other => BuildError::Unknown(told(other)),
    }
}
