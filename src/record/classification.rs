//! Topic `classifications`: the classification of each image, by digest. Only images that are in a class have a record.

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
    /// The sequence of the image record that the classification was concluded from.
    pub sequence: u64,
    /// The platform of the image.
    pub platform: Arc<Platform>,
    /// The classes that the image is a member of, by name.
    pub classes: Common<Vec<Membership>>,
    /// For each group, the classes of the group that the image is a member of, nearest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: Common<BTreeMap<String, Vec<String>>>,
}

/// The membership of an image in a class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The class.
    pub name: String,
    /// The generation of the class. It distinguishes the class from an earlier class of the same name.
    pub generation: u64,
    /// The state of the image: `current` if its base version is the current version of the class.
    pub state: State,
    /// The base version: the digest of that version's image for the platform of this image.
    pub version: Digest,
    /// The number of layers of the base version.
    pub depth: u32,
    /// `true` if no other class follows a deeper base of this image. Classes that follow the same base are equally
    /// near.
    pub nearest: bool,
}

/// The state of a member of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The base version is the current version of the class.
    Current,
    /// The base version is an earlier version of the class.
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
        // A hash of the content: writing the same conclusion again gives the same ID.
        format!("{}#{}", self.digest, Digest::of(json).short())
    }
}
