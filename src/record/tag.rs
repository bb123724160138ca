//! Topic `tags`: every tag and what it has pointed at, by full name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value};
use crate::oci::{Digest, Platform};

/// One tag. It stands in the partition of every image that it points at now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagRecord {
    /// The full name `repository:tag`; of an image stream's tag `namespace/stream:tag`.
    pub name: String,
    /// Counts what the publisher has published; of two records of one tag the higher is the newer.
    pub sequence: u64,
    /// The part of the name before the tag.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// The live source that it was last seen in: `kubernetes`, or a registry's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it points at since when. `digest` is absent when the tag is no longer listed.
    pub current: TagItem,
    /// What it pointed at before, oldest first. Only in the partition of the first image it points at: its home.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<TagItem>,
    /// What an image stream says of it beside where it points.
    #[serde(flatten)]
    pub stream: StreamTag,
    /// Whether this is the record in the home partition, the one with the history.
    #[serde(default)]
    pub home: bool,
}

/// Names under which OpenShift's own registry is reached inside a cluster: `…/NAMESPACE/STREAM:TAG` is the tag of an image
/// stream there.
pub const INTERNAL_REGISTRIES: [&str; 4] = [
    "image-registry.openshift-image-registry.svc:5000",
    "image-registry.openshift-image-registry.svc.cluster.local:5000",
    "docker-registry.default.svc:5000",
    "docker-registry.default.svc.cluster.local:5000",
];

/// What an image stream says of a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamTag {
    /// The tag that it follows, by its full name (`oc tag --alias`, `spec.tags[].from`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// What OpenShift's own registry is called where its stream is (`status.dockerImageRepository`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
}

/// What a tag pointed at from one moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagItem {
    /// From when on.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The image, or the image index of a multi-platform tag. Absent: the tag was not listed from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The images it resolves to, one a platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<TagImage>,
}

/// One image of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagImage {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// What it runs on, where the image index says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl StreamTag {
    /// Whether the registry of the tag's stream is called so.
    pub fn is_in(&self, registry: &str) -> bool {
        INTERNAL_REGISTRIES.contains(&registry) || self.registries.iter().any(|name| name == registry)
    }
}

impl TagItem {
    /// Whether both point at the same, whenever they do.
    pub fn same_target(&self, other: &Self) -> bool {
        self.digest == other.digest && self.images == other.images
    }
}

impl Value for TagRecord {
    const TOPIC: Topic = Topic::Tags;
    const TYPE: &'static str = "dev.clade.tag.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.name, self.sequence)
    }
}
