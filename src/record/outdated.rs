//! Topic `outdated`: committed transitions of an image's state in a class.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{State, Topic, Value};
use crate::oci::{Digest, Platform};

/// An image entered or left a class, or became outdated or current in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionRecord {
    /// The ID of the transition. It is the same for the same transition, so that a consumer can drop repeats.
    pub id: Digest,
    /// The image.
    pub digest: Digest,
    /// The platform of the image.
    pub platform: Arc<Platform>,
    /// The class.
    pub class: String,
    /// The standing before. Absent if the image was not in the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Standing>,
    /// The standing now. Absent if the image has left the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Standing>,
    /// The class's current version at that moment: the image or image index that the class's tag points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Digest>,
    /// The tags that referenced the image at that moment, sorted; as many as fit into [`Self::MOST_TAG_BYTES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The number of further tags.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_tags: u64,
}

impl TransitionRecord {
    /// Bytes of tag names in one record, at most. Further tags are counted and not named: the record must stay far
    /// below the largest one.
    pub const MOST_TAG_BYTES: usize = 256 << 10;
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The standing of an image in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Current or outdated.
    pub state: State,
    /// The base version of the image.
    pub version: Digest,
}

impl Value for TransitionRecord {
    const TOPIC: Topic = Topic::Outdated;
    const TYPE: &'static str = "dev.clade.outdated.v1";
    fn id(&self, _: &[u8]) -> String {
        self.id.to_string()
    }
}
