//! Pods, and the objects that have templates of pods: the few fields that policies look at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::policy::{Container, NodePlatform, Subject, Workload};
use crate::record::ContainerRole;

/// A kind of object that has pods in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    /// A template at `spec.template`.
    Template,
    /// A template at `spec.jobTemplate.spec.template`.
    CronJob,
}

impl Kind {
    pub(super) fn of(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            ("", "Pod") => Some(Self::Pod),
            ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
            | ("batch", "Job")
            | ("", "ReplicationController")
            | ("apps.openshift.io", "DeploymentConfig") => Some(Self::Template),
            ("batch", "CronJob") => Some(Self::CronJob),
            _ => None,
        }
    }
}

/// The pod of an object, with the place of each of its images in the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) subject: Subject,
    /// JSON pointers, in the order of the containers.
    pub(super) places: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PodObject {
    metadata: Metadata,
    spec: Option<PodSpec>,
}

#[derive(Deserialize)]
struct Templated {
    #[serde(default)]
    metadata: Metadata,
    spec: TemplateSpec,
}

#[derive(Deserialize)]
struct TemplateSpec {
    #[serde(default)]
    template: Option<PodObject>,
}

#[derive(Deserialize)]
struct Cron {
    #[serde(default)]
    metadata: Metadata,
    spec: CronSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CronSpec {
    job_template: JobTemplate,
}

#[derive(Deserialize)]
struct JobTemplate {
    spec: TemplateSpec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    generate_name: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    containers: Option<Vec<ContainerSpec>>,
    init_containers: Option<Vec<ContainerSpec>>,
    ephemeral_containers: Option<Vec<ContainerSpec>>,
    volumes: Option<Vec<Volume>>,
    node_selector: Option<BTreeMap<String, String>>,
    os: Option<Os>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerSpec {
    name: String,
    image: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Volume {
    name: String,
    image: Option<ImageVolume>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ImageVolume {
    reference: Option<String>,
}

#[derive(Deserialize)]
struct Os {
    name: String,
}

/// Reads the pod of an object of this kind. The error says what cannot be read.
pub(super) fn read(kind: Kind, object: &RawValue) -> Result<Pod, serde_json::Error> {
    let json = object.get();
    Ok(match kind {
        Kind::Pod => {
            let PodObject { metadata, spec } = serde_json::from_str(json)?;
            let workload = owner(&metadata);
            pod(metadata.labels.unwrap_or_default(), workload, spec, "/spec")
        }
        Kind::Template => {
            let Templated { metadata, spec } = serde_json::from_str(json)?;
            of_template(metadata, spec.template, "/spec/template/spec")
        }
        Kind::CronJob => {
            let Cron { metadata, spec } = serde_json::from_str(json)?;
            of_template(metadata, spec.job_template.spec.template, "/spec/jobTemplate/spec/template/spec")
        }
    })
}

fn of_template(metadata: Metadata, template: Option<PodObject>, place: &str) -> Pod {
    let template = template.unwrap_or_default();
    // The reader knows the kind from the request.
    let name = metadata.name.or(metadata.generate_name).unwrap_or_default();
    let workload = Workload { kind: String::new(), name };
    pod(template.metadata.labels.unwrap_or_default(), workload, template.spec, place)
}

/// The workload that a pod belongs to, as far as the pod itself says it: controllers name what they create after its owner. A
/// ReplicaSet of a Deployment ends in the hash of its template, a Job of a CronJob in the minute of its time.
fn owner(metadata: &Metadata) -> Workload {
    let owners = metadata.owner_references.iter().flatten();
    let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else {
        let name = metadata.name.clone().or(metadata.generate_name.clone()).unwrap_or_default();
        return Workload { kind: "Pod".to_owned(), name };
    };
    let hash = metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
    // A Job of a CronJob and a ReplicationController of a DeploymentConfig end in a number.
    let numbered = owner
        .name
        .rsplit_once('-')
        .filter(|(_, number)| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()));
    let (kind, name) = match (deployment, owner.kind.as_str(), numbered) {
        (Some(name), ..) => ("Deployment", name),
        (None, "Job", Some((name, number))) if number.len() >= 8 => ("CronJob", name),
        (None, "ReplicationController", Some((name, _))) => ("DeploymentConfig", name),
        (None, kind, _) => (kind, owner.name.as_str()),
    };
    Workload { kind: kind.to_owned(), name: name.to_owned() }
}

fn pod(labels: BTreeMap<String, String>, workload: Workload, spec: Option<PodSpec>, place: &str) -> Pod {
    let spec = spec.unwrap_or_default();
    let mut pod = Pod::default();
    let lists = [
        (ContainerRole::Init, "initContainers", spec.init_containers),
        (ContainerRole::Container, "containers", spec.containers),
        (ContainerRole::Ephemeral, "ephemeralContainers", spec.ephemeral_containers),
    ];
    for (role, list, containers) in lists {
        for (at, container) in containers.into_iter().flatten().enumerate() {
            let place = format!("{place}/{list}/{at}/image");
            pod.add(role, container.name, container.image, place);
        }
    }
    for (at, volume) in spec.volumes.into_iter().flatten().enumerate() {
        let place = format!("{place}/volumes/{at}/image/reference");
        pod.add(ContainerRole::Volume, volume.name, volume.image.and_then(|image| image.reference), place);
    }
    let selected = |key: &str| spec.node_selector.as_ref().and_then(|labels| labels.get(key)).cloned();
    let platform = NodePlatform {
        os: spec.os.map(|os| os.name).or_else(|| selected("kubernetes.io/os")),
        architecture: selected("kubernetes.io/arch"),
    };
    pod.subject.platform = Some(platform).filter(|platform| *platform != NodePlatform::default());
    pod.subject.labels = labels;
    pod.subject.workload = Some(workload);
    pod
}

impl Pod {
    /// Adds a container. The API server refuses one without an image, or fills it in.
    fn add(&mut self, role: ContainerRole, name: String, image: Option<String>, place: String) {
        if let Some(image) = image.filter(|image| !image.is_empty()) {
            self.subject.containers.push(Container { name, role, image });
            self.places.push(place);
        }
    }

    /// Removes the containers that the other pod has with the same image.
    pub(super) fn without(self, before: &Self) -> Self {
        let Self { mut subject, places } = self;
        let is_new = |container: &Container| !before.subject.containers.contains(container);
        let all = std::mem::take(&mut subject.containers).into_iter().zip(places);
        let (containers, places) = all.filter(|(container, _)| is_new(container)).unzip();
        subject.containers = containers;
        Self { subject, places }
    }
}
