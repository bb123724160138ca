//! Topic `tags`: every tag with its history, by full name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value};
use crate::oci::{Digest, Platform};

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
    /// The earlier targets, oldest first. Only the record in the home partition has them: the partition of the first
    /// image that the tag points at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<TagItem>,
    /// `true` for the record in the home partition, which has the history.
    #[serde(default)]
    pub home: bool,
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
