//! Answers about what runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassStanding, is_zero};
use crate::oci::{Digest, Platform};
use crate::record::{ContainerRole, State, Timestamp};

/// A workload: what somebody would roll out anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadItem {
    /// The key, `namespace/kind/name`.
    pub key: String,
    /// The namespace.
    pub namespace: String,
    /// The kind: `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob`, any other controller, or `Pod`.
    pub kind: String,
    /// The API group of that kind; empty for `Pod`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The name.
    pub name: String,
    /// The live source; absent for what was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The number of pods that have not ended.
    pub pods: u32,
    /// The labels that all pods share.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The classes of the images that count, by name: `outdated` if any of the images is outdated in the class.
    pub classes: Vec<WorkloadStanding>,
    /// `true` if an image that counts is none that clade has seen.
    pub unknown: bool,
    /// The containers.
    pub containers: Vec<WorkloadContainerItem>,
    /// The number of containers, images and labels that are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

/// The standing of a workload in a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStanding {
    /// The class.
    pub name: String,
    /// The state.
    pub state: State,
    /// The time since which the first of its images is outdated, or at least since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub outdated_since: Option<Timestamp>,
}

/// A container of a workload, or a volume that is an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadContainerItem {
    /// The role: `container`, `init`, `ephemeral` or `volume`.
    pub role: ContainerRole,
    /// The name.
    pub name: String,
    /// The images, several during a roll-out.
    pub images: Vec<WorkloadImageItem>,
}

/// An image of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadImageItem {
    /// The image that is asked for, as it stands in the pods.
    pub asked: String,
    /// The digest that the nodes report. Absent while nothing has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Digest>,
    /// The platform of the nodes, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The number of pods.
    pub pods: u32,
    /// The time since which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// `true` if it counts for the workload: it runs, or nothing runs in this container and it is asked for.
    pub counts: bool,
    /// The images that it is, if clade has seen it: several if an image ID, or an index on an unknown platform, leaves it open.
    pub images: Vec<Digest>,
    /// The standing of these images in each of their classes.
    pub classes: Vec<ClassStanding>,
    /// `true` if clade has never seen it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// The name by which a registry serves an image that clade has never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<String>,
}
