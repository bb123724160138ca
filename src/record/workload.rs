//! Topic `workloads`: what runs, one record for each thing that somebody would roll out anew, by `namespace/kind/name`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value};
use crate::oci::{Digest, Platform};

/// The API groups whose kinds stand in a key without their group: no two of them share the name of a kind.
const PLAIN_GROUPS: [&str; 4] = ["", "apps", "batch", "apps.openshift.io"];

/// The topmost owner of pods, and the images of their containers. Nothing of a single pod stands here but the name of a pod
/// that has no owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRecord {
    /// The namespace.
    pub namespace: String,
    /// The kind of the owner: `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, any other controller, or `Pod`.
    pub kind: String,
    /// The API group of that kind; empty for `Pod`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The name.
    pub name: String,
    /// Publication counter of the publisher.
    pub sequence: u64,
    /// The live source that reported the pods: `kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The number of pods that have not ended.
    pub pods: u32,
    /// The labels that all these pods share, without those that a controller gives to a pod or a revision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The labels of the namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
    /// The containers, by role and name.
    #[serde(default)]
    pub containers: Vec<WorkloadContainer>,
    /// The number of containers, images and labels that are left out, because a record has a bounded number of each.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

/// A container of a workload's pods, or a volume that is an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadContainer {
    /// The role.
    pub role: ContainerRole,
    /// The name.
    pub name: String,
    /// The images: several while a workload is rolled out, or on nodes of several platforms. Sorted.
    pub images: Vec<WorkloadImage>,
}

/// The role of a container in a pod.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ContainerRole {
    /// `spec.containers`.
    #[default]
    Container,
    /// `spec.initContainers`.
    Init,
    /// `spec.ephemeralContainers`.
    Ephemeral,
    /// `spec.volumes[].image`.
    Volume,
}

/// An image of a container, and the number of pods that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadImage {
    /// The image that the pods ask for, as it stands there.
    pub asked: String,
    /// The image that runs. Absent while nothing has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningImage>,
    /// The platform of the nodes, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The number of pods.
    pub pods: u32,
    /// The time since which it runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// The digest that a node reports of an image that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningImage {
    /// The digest.
    pub digest: Digest,
    /// The kind of document that has this digest, as far as the form tells.
    pub kind: RunningKind,
}

/// The kinds of document whose digest a node reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunningKind {
    /// A manifest or an image index: it stood behind a repository.
    Digest,
    /// A config: it stood alone.
    ImageId,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ContainerRole {
    /// The words for people.
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Init => "init container",
            Self::Ephemeral => "ephemeral container",
            Self::Volume => "image volume",
        }
    }
}

impl WorkloadRecord {
    /// The key: `namespace/kind/name`. A kind of a group whose kinds may be called as those of Kubernetes stands with its
    /// group, as `Job.batch.volcano.sh`.
    pub fn key(&self) -> String {
        workload_key(&self.namespace, &self.kind, &self.group, &self.name)
    }
}

/// The key of a workload.
pub fn workload_key(namespace: &str, kind: &str, group: &str, name: &str) -> String {
    if PLAIN_GROUPS.contains(&group) {
        format!("{namespace}/{kind}/{name}")
    } else {
        format!("{namespace}/{kind}.{group}/{name}")
    }
}

impl Value for WorkloadRecord {
    const TOPIC: Topic = Topic::Workloads;
    const TYPE: &'static str = "dev.clade.workload.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.key(), self.sequence)
    }
}
