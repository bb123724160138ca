//! Reads pods, their owners, nodes and namespaces, as the API server and `kubectl get -o json` return them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::object::{Controller, Kind, Node, Object, Owner, Pod, Shape, ShapeContainer, Space};
use crate::oci::lenient::{self, Entries};
use crate::oci::{Digest, Platform, Timestamp};
use crate::record::{ContainerRole, RunningImage, RunningKind};

/// Bytes of the name of an object or a label, and of an image, at most. Longer texts are cut off: the API server takes images
/// of any length, and a record must stay small.
const MOST_NAME: usize = 253;
const MOST_IMAGE: usize = 512;
/// Labels of an object, at most.
const MOST_LABELS: usize = 64;
/// Containers of a pod, at most.
const MOST_CONTAINERS: usize = 256;

/// Labels that controllers give to a pod or to a revision, and that pods of one workload do not share for long.
const OF_ONE_POD: [&str; 8] = [
    TEMPLATE_HASH,
    "controller-revision-hash",
    "pod-template-generation",
    "rollouts-pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
];
const OF_JOBS: &str = "batch.kubernetes.io/";
/// A ReplicaSet of a Deployment is called as the Deployment, with this label behind it.
const TEMPLATE_HASH: &str = "pod-template-hash";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    #[serde(default, deserialize_with = "lenient::field")]
    namespace: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Entries<OwnerReference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference {
    #[serde(default, deserialize_with = "lenient::field")]
    api_version: String,
    #[serde(default, deserialize_with = "lenient::field")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    #[serde(default, deserialize_with = "lenient::field")]
    controller: bool,
}

/// An object of which the metadata is enough.
#[derive(Deserialize)]
struct Bare {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct PodObject {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::or_null")]
    spec: PodSpec,
    #[serde(default, deserialize_with = "lenient::or_null")]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(default, deserialize_with = "lenient::field")]
    node_name: String,
    #[serde(default)]
    containers: Entries<Container>,
    #[serde(default)]
    init_containers: Entries<Container>,
    #[serde(default)]
    ephemeral_containers: Entries<Container>,
    #[serde(default)]
    volumes: Entries<Volume>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    #[serde(default, deserialize_with = "lenient::field")]
    image: String,
}

#[derive(Deserialize)]
struct Volume {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    #[serde(default, deserialize_with = "lenient::field")]
    image: Option<ImageVolume>,
}

#[derive(Deserialize)]
struct ImageVolume {
    #[serde(default, deserialize_with = "lenient::field")]
    reference: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(default, deserialize_with = "lenient::field")]
    phase: String,
    #[serde(default, deserialize_with = "lenient::field")]
    start_time: Option<Timestamp>,
    #[serde(default)]
    container_statuses: Entries<ContainerStatus>,
    #[serde(default)]
    init_container_statuses: Entries<ContainerStatus>,
    #[serde(default)]
    ephemeral_container_statuses: Entries<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    #[serde(rename = "imageID", default, deserialize_with = "lenient::field")]
    image_id: String,
    #[serde(default, deserialize_with = "lenient::field")]
    state: ContainerState,
    #[serde(default, deserialize_with = "lenient::field")]
    last_state: ContainerState,
}

#[derive(Deserialize, Default)]
struct ContainerState {
    #[serde(default, deserialize_with = "lenient::field")]
    running: Started,
    #[serde(default, deserialize_with = "lenient::field")]
    terminated: Started,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Started {
    #[serde(default, deserialize_with = "lenient::field")]
    started_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct NodeObject {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::field")]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default, deserialize_with = "lenient::field")]
    node_info: NodeInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default, deserialize_with = "lenient::field")]
    operating_system: String,
    #[serde(default, deserialize_with = "lenient::field")]
    architecture: String,
}

/// Reads an object of this kind. The error says what is wrong with it.
pub fn read(kind: Kind, json: &str) -> Result<Object, String> {
    let malformed = |error: serde_json::Error| error.to_string();
    match kind {
        Kind::Pod => pod(serde_json::from_str(json).map_err(malformed)?),
        Kind::ReplicaSet | Kind::Job | Kind::ReplicationController => {
            let Bare { metadata } = serde_json::from_str(json).map_err(malformed)?;
            let (namespace, name) = metadata.place()?;
            Ok(Object::Controller(Controller { kind, namespace, name, owner: metadata.owner() }))
        }
        Kind::Node => node(serde_json::from_str(json).map_err(malformed)?),
        Kind::Namespace => {
            let Bare { metadata } = serde_json::from_str(json).map_err(malformed)?;
            Ok(Object::Namespace(Space { name: name(&metadata.name)?, labels: labels(metadata.labels) }))
        }
    }
}

impl Metadata {
    pub(super) fn place(&self) -> Result<(String, String), String> {
        Ok((name(&self.namespace).map_err(|problem| format!("namespace: {problem}"))?, name(&self.name)?))
    }

    /// The owner that controls the object.
    pub(super) fn owner(&self) -> Option<Owner> {
        let owner = self.owner_references.good().find(|owner| owner.controller)?;
        let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let (kind, name) = (name(&owner.kind).ok()?, name(&owner.name).ok()?);
        // A static pod belongs to nobody but itself: its node owns the object that mirrors it.
        let is_node = (group, &*kind) == (Kind::Node.group(), Kind::Node.name());
        (!is_node && !group.contains('/')).then(|| Owner { group: cut(group, MOST_NAME), kind, name })
    }
}

/// A name that may be a part of a key.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MOST_NAME || text.contains('/') {
        return Err(format!("{:?} is no name of an object", cut(text, MOST_NAME)));
    }
    Ok(cut(text, MOST_NAME))
}

fn pod(object: PodObject) -> Result<Object, String> {
    let PodObject { metadata, spec, status } = object;
    let (namespace, name) = metadata.place()?;
    if matches!(status.phase.as_str(), "Succeeded" | "Failed") {
        return Ok(Object::Ended(format!("{namespace}/{name}")));
    }
    let owner = metadata.owner();
    let deployment = owner.as_ref().and_then(|owner| {
        let hash = metadata.labels.get(TEMPLATE_HASH).filter(|hash| !hash.is_empty())?;
        let name = owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
        let is_replica_set = Kind::of(&owner.group, &owner.kind) == Some(Kind::ReplicaSet);
        (is_replica_set && !name.is_empty()).then(|| name.to_owned())
    });
    let (containers, since) = containers(&spec, &status);
    let shape = Shape { labels: labels(metadata.labels), containers };
    let node = cut(&spec.node_name, MOST_NAME);
    Ok(Object::Pod(Pod { namespace, name, owner, deployment, node, shape, since }))
}

/// The containers of a pod, and the start of each.
pub(super) fn containers(
    spec: &PodSpec,
    status: &PodStatus,
) -> (Vec<ShapeContainer>, Vec<Option<Timestamp>>) {
    let start_time = status.start_time;
    let (mut containers, mut since) = (Vec::new(), Vec::new());
    let mut add = |role, name: &str, asked: &str, status: Option<&ContainerStatus>| {
        if containers.len() < MOST_CONTAINERS {
            let running = status.and_then(|status| running_image(&status.image_id));
            since.push(running.and_then(|_| status.and_then(ContainerStatus::since).or(start_time)));
            containers.push(ShapeContainer {
                role,
                name: cut(name, MOST_NAME),
                asked: cut(asked, MOST_IMAGE),
                running,
            });
        }
    };
    let of_roles = [
        (ContainerRole::Container, &spec.containers, &status.container_statuses),
        (ContainerRole::Init, &spec.init_containers, &status.init_container_statuses),
        (ContainerRole::Ephemeral, &spec.ephemeral_containers, &status.ephemeral_container_statuses),
    ];
    for (role, containers, statuses) in of_roles {
        for container in containers.good() {
            let status = statuses.good().find(|status| status.name == container.name);
            add(role, &container.name, &container.image, status);
        }
    }
    for volume in spec.volumes.good() {
        if let Some(image) = &volume.image {
            add(ContainerRole::Volume, &volume.name, &image.reference, None);
        }
    }
    (containers, since)
}

impl ContainerStatus {
    fn since(&self) -> Option<Timestamp> {
        let of = |state: &ContainerState| state.running.started_at.or(state.terminated.started_at);
        of(&self.state).or_else(|| of(&self.last_state))
    }
}

fn node(object: NodeObject) -> Result<Object, String> {
    let NodeObject { metadata, status } = object;
    let told = |info: &str, label: &str| {
        let label = || metadata.labels.get(label).cloned().unwrap_or_default();
        cut(&Some(info.to_owned()).filter(|info| !info.is_empty()).unwrap_or_else(label), MOST_NAME)
    };
    let info = &status.node_info;
    let (os, architecture) =
        (told(&info.operating_system, "kubernetes.io/os"), told(&info.architecture, "kubernetes.io/arch"));
    let platform = (!os.is_empty() && !architecture.is_empty()).then(|| Platform::new(&os, &architecture));
    Ok(Object::Node(Node { name: name(&metadata.name)?, platform }))
}

/// Reads what a node reports of the image that runs (`imageID`): a digest behind a repository is that of a manifest or an image
/// index, and one that stands alone that of a config. Nothing runs where it is empty.
pub fn running_image(text: &str) -> Option<RunningImage> {
    let text = text.rsplit_once("://").map_or(text, |(_, text)| text);
    if let Some((_, digest)) = text.rsplit_once('@') {
        return Some(RunningImage { digest: digest.parse().ok()?, kind: RunningKind::Digest });
    }
    let bare = || format!("sha256:{text}").parse::<Digest>();
    let digest = text.parse().or_else(|_| bare()).ok()?;
    Some(RunningImage { digest, kind: RunningKind::ImageId })
}

/// The labels that say something of a workload.
fn labels(mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels.retain(|key, value| {
        let is_of_one_pod = OF_ONE_POD.contains(&key.as_str()) || key.starts_with(OF_JOBS);
        !is_of_one_pod && key.len() <= MOST_NAME + 64 && value.len() <= 63
    });
    labels.into_iter().take(MOST_LABELS).collect()
}

/// A foreign text without control characters, which take six bytes each in JSON, and not longer than that.
fn cut(text: &str, most: usize) -> String {
    let mut cut = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let c = if c.is_control() { '?' } else { c };
        if cut.len() + c.len_utf8() > most {
            break;
        }
        cut.push(c);
    }
    cut
}
