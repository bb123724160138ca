//! Builds of BuildConfigs: starts each at most once, and reads its state.

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

/// The annotation that names the rebuild of a build.
const REBUILD: &str = "clade.dev/rebuild";
/// The annotation with the time of the rebuild's plan: another clade, or another data directory, may give a rebuild the
/// same name.
const PLANNED: &str = "clade.dev/rebuild-planned";
/// The annotation with the number of the attempt.
const ATTEMPT: &str = "clade.dev/attempt";
/// The label that finds the builds of a BuildConfig. Its value is cut to the length of a label value.
const CONFIG: &str = "openshift.io/build-config.name";
const LABEL_VALUE: usize = 63;
const NUMBER: &str = "openshift.io/build.number";
/// The annotation that `oc start-build --from-build` sets on the repeated build.
const CLONE: &str = "openshift.io/build.clone-of";

/// A build as read from the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildNow {
    /// The name.
    pub name: String,
    /// The phase.
    pub phase: BuildPhase,
    /// The time of creation, by the API server's clock.
    pub created: Timestamp,
    /// The time of the end.
    pub ended: Option<Timestamp>,
    /// The message of the build's status.
    pub message: String,
    /// The number of the build among those of its BuildConfig, from 1.
    pub number: Option<u64>,
    /// The rebuild that the build was started for, if clade started it.
    pub begun_for: Option<BegunFor>,
    /// The image that the build has pushed.
    pub image: Option<Digest>,
    /// `true` if the build repeats another build, with the very images that that one was built on.
    pub is_clone: bool,
}

/// The rebuild that a build was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunFor {
    /// The name of the rebuild.
    pub rebuild: String,
    /// The time at which the rebuild was planned. clade 0.1 did not write it.
    pub planned: Option<Timestamp>,
    /// The number of the attempt.
    pub attempt: u32,
}

impl BuildNow {
    /// Returns `true` if the build was started for this very rebuild, and not for another of the same name.
    pub fn is_begun_for(&self, rebuild: &str, planned: Timestamp) -> bool {
        self.begun_for.as_ref().is_some_and(|of| {
            // A time of Kubernetes has no fraction.
            let is_created_then = self.created.as_second() >= planned.as_second();
            let is_planned_then = of.planned.map_or(is_created_then, |time| time == planned);
            of.rebuild == rebuild && is_planned_then
        })
    }
}

/// The phase of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildPhase {
    /// It is running or waiting.
    Unfinished,
    /// It has pushed its image.
    Complete,
    /// It has failed or was cancelled.
    Failed,
}

/// An error of a request about builds.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The BuildConfig or build does not exist.
    #[error("it is gone")]
    Gone,
    /// The API server forbids it for these permissions. A retry would not help.
    #[error("{0}")]
    Forbidden(String),
    /// The API server does not allow it now, for example because a quota is used up.
    #[error("{0}")]
    NotNow(String),
    /// The API server rejects the request as invalid.
    #[error("{0}")]
    Refused(String),
    /// The API server has met an error of its own, as it does each time for a BuildConfig whose ServiceAccount does not
    /// exist. It has begun a build rarely.
    #[error("{0}")]
    Broken(String),
    /// Any other error: the request may or may not have been carried out.
    #[error("{0}")]
    Unknown(String),
}

/// A request to start a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest<'a> {
    /// The namespace of the BuildConfig.
    pub namespace: &'a str,
    /// The name of the BuildConfig.
    pub name: &'a str,
    /// The expected `status.lastVersion` of the BuildConfig. If it has changed meanwhile, no build is started.
    pub last_version: u64,
    /// The rebuild.
    pub rebuild: &'a str,
    /// The time at which the rebuild was planned.
    pub planned: Timestamp,
    /// The number of the attempt of this rebuild at this BuildConfig.
    pub attempt: u32,
    /// The reason for people, written on the build.
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

/// Reads a BuildConfig.
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

/// Lists the existing builds of a BuildConfig, in no order.
pub async fn builds_of(cluster: &Cluster, namespace: &str, name: &str) -> Result<Vec<BuildNow>, BuildError> {
    let api: Api<Raw<BuildKind>> = Api::namespaced_with(cluster.client(), namespace, &());
    let label = &name[..name.floor_char_boundary(LABEL_VALUE)];
    let params = ListParams::default().labels(&format!("{CONFIG}={label}"));
    let list = answer(api.list(&params)).await.map_err(|error| failed(&error))?;
    let is_of = |object: &Raw<BuildKind>| {
        // The label is cut; the annotation has the whole name.
        let annotations = object.metadata.annotations.as_ref();
        annotations.and_then(|of| of.get(CONFIG)).is_none_or(|of| of == name)
    };
    list.items.into_iter().filter(is_of).map(build_now).collect()
}

/// Reads a build.
pub async fn build(cluster: &Cluster, namespace: &str, name: &str) -> Result<BuildNow, BuildError> {
    let api: Api<Raw<BuildKind>> = Api::namespaced_with(cluster.client(), namespace, &());
    build_now(answer(api.get(name)).await.map_err(|error| failed(&error))?)
}

/// Starts a build if the BuildConfig still has that `lastVersion`. After [`BuildError::Unknown`] the build may or may
/// not have been started; repeating the same request cannot start a second one.
pub async fn instantiate(cluster: &Cluster, request: &BuildRequest<'_>) -> Result<BuildNow, BuildError> {
    // The label finds the builds, and the annotation names the rebuild, whose name may be longer than a label value.
    let is_label = request.rebuild.len() <= LABEL_VALUE;
    let label =
        if is_label { request.rebuild.to_owned() } else { Digest::of(request.rebuild.as_bytes()).short() };
    let label = label.replace(':', "-");
    let annotations = BTreeMap::from([
        (REBUILD, request.rebuild.to_owned()),
        (PLANNED, request.planned.to_string()),
        (ATTEMPT, request.attempt.to_string()),
    ]);
    let body = json!({
        "kind": "BuildRequest",
        "apiVersion": format!("{}/{}", BuildConfig::GROUP, BuildConfig::VERSION),
        "metadata": {"name": request.name, "labels": {REBUILD: label}, "annotations": annotations},
        "triggeredBy": [{"message": request.message}],
        "lastVersion": request.last_version,
    });
    // Creating a subresource of the BuildConfig returns a Build.
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
    // A clone has the annotations of the build that it repeats.
    let is_clone = annotations.contains_key(CLONE);
    let begun_for = annotations
        .get(REBUILD)
        .filter(|_| !is_clone)
        .zip(annotations.get(ATTEMPT).and_then(|attempt| attempt.parse().ok()))
        .map(|(rebuild, attempt)| BegunFor {
            rebuild: rebuild.clone(),
            planned: annotations.get(PLANNED).and_then(|time| time.parse().ok()),
            attempt,
        });
    // The client library has another version of the type.
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
        // Only a 404 about the object itself counts, not one about its kind or from a proxy that knows nothing.
        kube::Error::Api(status) if status.code == 404 => {
            let names_it = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
            if names_it { BuildError::Gone } else { BuildError::Unknown(told(error)) }
        }
        kube::Error::Api(status) if status.code == 403 => forbidden(&status.message, told(error)),
        kube::Error::Api(status) if status.code == 401 => BuildError::NotNow(told(error)),
        // A conflict means that two requests start at once. A 429 or a 5xx may pass in a moment.
        kube::Error::Api(status) if status.code < 500 && status.code != 409 && status.code != 429 => {
            BuildError::Refused(status.message.clone())
        }
        kube::Error::Api(status) if status.code == 500 => BuildError::Broken(told(error)),
        other => BuildError::Unknown(told(other)),
    }
}

/// The reason of a refusal by its words, since OpenShift has no other sign of it.
fn forbidden(message: &str, told: String) -> BuildError {
    // Only the authorizer says that a user "cannot", and only the admission of builds that a strategy "is not allowed".
    if message.contains(" cannot ") || message.contains(" is not allowed") {
        BuildError::Forbidden(told)
    } else if message.ends_with("not found") {
        // The BuildConfig, or an object that it needs. A look at the BuildConfig tells which.
        BuildError::Refused(message.to_owned())
    } else {
        // A quota or a terminating namespace may allow it tomorrow.
        BuildError::NotNow(message.to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use kube::core::Status;

    use super::*;

    fn kind_of(code: u16, message: &str) -> String {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        let kind = format!("{:?}", failed(&kube::Error::Api(status.boxed())));
        kind.split('(').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_words_of_a_refusal_show_if_it_may_be_lifted() {
        for (code, message, kind) in [
            (403, "buildconfigs \"app\" is forbidden: User \"clade\" cannot create resource", "Forbidden"),
            (403, "buildconfigs \"app\" is forbidden: build strategy Docker is not allowed", "Forbidden"),
            (403, "buildconfigs \"app\" is forbidden: exceeded quota: builds", "NotNow"),
            (403, "buildconfigs.build.openshift.io \"app\" not found", "Refused"),
            (400, "the LastVersion(2) does not match", "Refused"),
            (
                422,
                "Build.build.openshift.io \"app-1\" is invalid: spec.strategy.dockerStrategy.from",
                "Refused",
            ),
            (409, "the object has been modified", "Unknown"),
            (500, "Internal error occurred: serviceaccounts \"builder\" not found", "Broken"),
            (503, "the server is currently unable to handle the request", "Unknown"),
        ] {
            assert_eq!(kind_of(code, message), kind, "{code}: {message}");
        }
    }

    fn build(created: &str, annotations: serde_json::Value) -> BuildNow {
        let object = json!({
            "apiVersion": "build.openshift.io/v1",
            "kind": "Build",
            "metadata": {"name": "app-1", "creationTimestamp": created, "annotations": annotations},
        });
        build_now(serde_json::from_str(&object.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn a_build_of_another_rebuild_of_the_same_name_is_not_its_own() {
        let planned: Timestamp = "2026-11-01T10:00:00.5Z".parse().unwrap();
        let of = |time: Option<&str>, created: &str| {
            let mut annotations = json!({REBUILD: "rhel7-1", ATTEMPT: "1"});
            if let Some(time) = time {
                annotations[PLANNED] = json!(time);
            }
            build(created, annotations)
        };
        let own = of(Some("2026-11-01T10:00:00.5Z"), "2026-11-01T10:00:01Z");
        assert!(own.is_begun_for("rhel7-1", planned) && !own.is_begun_for("rhel7-2", planned));
        assert!(!of(Some("2026-10-01T10:00:00Z"), "2026-11-01T10:00:01Z").is_begun_for("rhel7-1", planned));
        // clade 0.1 wrote no time.
        assert!(of(None, "2026-11-01T10:00:01Z").is_begun_for("rhel7-1", planned));
        assert!(of(None, "2026-11-01T10:00:00Z").is_begun_for("rhel7-1", planned));
        assert!(!of(None, "2026-10-01T10:00:01Z").is_begun_for("rhel7-1", planned));
        assert!(!build("2026-11-01T10:00:01Z", json!({})).is_begun_for("rhel7-1", planned));
    }
}
