//! Topic `classifications`: what each image is, by digest. Only images that are in a class have a record.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Common, Topic, Value};
use crate::oci::{Digest, Platform};

/// The whole current classification of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassificationRecord {
    /// The image.
    pub digest: Digest,
    /// The sequence of the image's record that this was concluded from.
    pub sequence: u64,
    /// What it runs on.
    pub platform: Arc<Platform>,
    /// The classes it is a member of, by name.
    pub classes: Common<Vec<Membership>>,
    /// By group, the classes of the group that it is a member of, nearest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: Common<BTreeMap<String, Vec<String>>>,
}

/// That an image is in a class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The class.
    pub name: String,
    /// The class's generation: tells a class from an earlier one of the same name.
    pub generation: u64,
    /// Whether the base version it is built on is the class's current one.
    pub state: State,
    /// The base version it is built on: digest of that version's image for its platform.
    pub version: Digest,
    /// How many layers that base has.
    pub depth: u32,
    /// Whether no other class follows a deeper base of this image. Classes that follow the same base are equally near.
    pub nearest: bool,
}

/// The state of a member of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Built on the class's current version.
    Current,
    /// Built on an earlier version.
    Outdated,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Current => "current",
            Self::Outdated => "outdated",
        })
    }
}

impl Value for ClassificationRecord {
    const TOPIC: Topic = Topic::Classifications;
    const TYPE: &'static str = "dev.clade.classification.v1";
    fn id(&self, json: &[u8]) -> String {
        // Of the content, so that writing the same conclusion again has the same id.
        format!("{}#{}", self.digest, Digest::of(json).short())
    }
}
