//! Topic `tags`: every tag with its history, by full name. Long histories stand in records of their own, so that a move
//! does not write all earlier ones again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value};
use crate::oci::{Digest, Platform, Reference};

/// One tag. The partition of every image that it points at now has a record of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagRecord {
    /// The full name `repository:tag`; of an image stream's tag `namespace/stream:tag`.
    pub name: String,
    /// Publication counter of the publisher. Of two records of one tag, the higher is the newer.
    pub sequence: u64,
    /// The part of the name before the tag.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// The live source that last reported the tag: `kubernetes`, or a registry's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The target of the tag and the time of the move. `digest` is absent if no source lists the tag any more.
    pub current: TagItem,
    /// `true` if the live source has read everything that the current target leads to, so that it need not read that
    /// again when it starts the next time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    /// The earlier targets, oldest first, that stand in no record of their own. Only the record in the home partition has
    /// them: the partition of the first image that the tag points at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<TagItem>,
    /// The records with the targets before `history`.
    #[serde(default, skip_serializing_if = "Parts::are_none")]
    pub parts: Parts,
    /// The facts beside the target that an image stream states about the tag.
    #[serde(flatten)]
    pub stream: StreamTag,
    /// `true` for the record in the home partition, the one with the history.
    #[serde(default)]
    pub home: bool,
}

/// A range of the parts of a tag's history: each is a record of its own, with the key of [`TagHistoryRecord::key`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// The number of the first. The parts before it were deleted: a history has a bound.
    pub first: u32,
    /// The number after the last.
    pub end: u32,
}

/// A part of a tag's history. It stands in the partition that the name of the tag gives, where the tag need not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagHistoryRecord {
    /// The full name of the tag.
    pub name: String,
    /// The number of the part.
    pub number: u32,
    /// Publication counter of the publisher. Of two records of one part, the higher is the newer.
    pub sequence: u64,
    /// The targets, oldest first.
    pub items: Vec<TagItem>,
}

/// The names under which clients inside a cluster reach OpenShift's own registry: `…/NAMESPACE/STREAM:TAG` is the tag
/// of an image stream there.
pub const INTERNAL_REGISTRIES: [&str; 4] = [
    "image-registry.openshift-image-registry.svc:5000",
    "image-registry.openshift-image-registry.svc.cluster.local:5000",
    "docker-registry.default.svc:5000",
    "docker-registry.default.svc.cluster.local:5000",
];

/// The one spelling of the name of a tag or a repository: Docker Hub has several, and the registry of a cluster as well.
pub fn canonical_name(name: &str) -> String {
    let in_cluster = name.split_once('/').filter(|(host, _)| INTERNAL_REGISTRIES.contains(host));
    in_cluster.map_or_else(|| Reference::familiar(name), |(_, name)| name).to_owned()
}

/// The facts beside the target that an image stream states about a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamTag {
    /// The tag that this tag follows, by its full name (`oc tag --alias`, `spec.tags[].from`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The names of OpenShift's own registry in the cluster of the stream (`status.dockerImageRepository`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
}

/// The target of a tag from one moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagItem {
    /// The time of the move.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The image, or the image index of a multi-platform tag. Absent if no source listed the tag from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The images that the target resolves to, one per platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<TagImage>,
}

/// One image of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagImage {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The platform, if the image index states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Parts {
    /// Returns `true` if there are no parts, and never were.
    fn are_none(&self) -> bool {
        self.end == 0
    }

    /// Returns `true` if no part is left.
    pub fn is_empty(&self) -> bool {
        self.first >= self.end
    }
}

impl TagHistoryRecord {
    /// The targets of a part. A smaller part makes the record of a tag smaller, and the parts more.
    pub const ITEMS: usize = 8;

    /// The key of a part: `NAME/NUMBER` with ten digits, so that keys sort as the parts do. No tag has such a name, since
    /// the part of a name after the last colon contains no slash.
    pub fn key(name: &str, number: u32) -> String {
        format!("{name}/{number:010}")
    }

    /// The name of the tag and the number of the part, if the key is that of a part.
    pub fn parse_key(key: &str) -> Option<(&str, u32)> {
        let (name, number) = key.rsplit_once('/')?;
        let number = number.parse().ok()?;
        (Self::key(name, number) == key && name.contains(':')).then_some((name, number))
    }
}

impl StreamTag {
    /// Returns `true` if the registry of the tag's stream has this name.
    pub fn is_in(&self, registry: &str) -> bool {
        INTERNAL_REGISTRIES.contains(&registry) || self.registries.iter().any(|name| name == registry)
    }
}

impl TagItem {
    /// Returns `true` if both have the same target; times are ignored.
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

impl Value for TagHistoryRecord {
    const TOPIC: Topic = Topic::Tags;
    const TYPE: &'static str = "dev.clade.tag-history.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", Self::key(&self.name, self.number), self.sequence)
    }
}
