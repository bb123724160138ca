//! Topic `catalog`: classes, their versions, and groups. Small and global: every processor reads all of it.
//!
//! A version is a record of its own and never changes, so that a class with 500 versions stays far below the largest
//! record. A version counts only from when its class's record says so (`versions`), so that a reader that sees the
//! version before the class concludes nothing from it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectReference, RebuildPolicy, Timestamp, Topic, Value};
use crate::oci::{ChainId, Digest, LayerChain, LayerIdentity, Platform};

/// A record of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum CatalogRecord {
    /// An image class.
    ImageClass(ClassRecord),
    /// One version of the base image that a class follows.
    ImageClassVersion(VersionRecord),
    /// A group of classes.
    ImageClassGroup(GroupRecord),
}

/// What a record of the catalog is kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CatalogKey {
    /// `class/NAME`
    Class(String),
    /// `version/CLASS/NUMBER`
    Version(String, u32),
    /// `group/NAME`
    Group(String),
}

/// A class: what an admin named, and where its version list stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassRecord {
    /// Its name, a Kubernetes label value.
    pub name: String,
    /// Counts what the publisher has published.
    pub sequence: u64,
    /// The sequence at its creation: tells it from an earlier class of this name.
    pub generation: u64,
    /// What groups select it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it follows.
    pub from: ObjectReference,
    /// How many versions it has: those with a number below this one.
    pub versions: u32,
    /// The number of the current version. Absent until the followed image was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
    /// Counts the changes of its versions and of which is current: tells a move of the followed tag from an earlier one
    /// to the same version.
    pub revision: u64,
    /// Whether what it follows is there.
    pub following: Following,
    /// What is to happen to images of it that are outdated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Box<RebuildPolicy>>,
}

/// Whether what a class follows is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Following {
    /// Whether the followed tag or image is known and resolves to images that are known.
    pub ready: bool,
    /// A CamelCase word for programs: `Following`, `Settling`, `NotFound`, `TagGone`, `ImageUnknown`, `NoLayers`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// One version of a class: what the followed tag pointed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionRecord {
    /// The class.
    pub class: String,
    /// Its number in the class, from 0, in the order in which clade learned of them.
    pub number: u32,
    /// The image or image index that the tag pointed at.
    pub digest: Digest,
    /// From when on the tag pointed at it. Until the next one in time.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// One chain a platform.
    pub images: Vec<ImageChain>,
}

/// The chain of one platform's image: enough to recognise what is built on it after the image itself is pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChain {
    /// The image it was taken from.
    pub digest: Digest,
    /// What that runs on.
    pub platform: Platform,
    /// What the layers are known by.
    pub layer_identity: LayerIdentity,
    /// The non-empty layers, base first.
    pub layers: Vec<Digest>,
    /// The chain ID of all of them.
    pub chain_id: ChainId,
}

/// A group: the classes whose labels it selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupRecord {
    /// Its name, the key of `group=class`.
    pub name: String,
    /// Counts what the publisher has published.
    pub sequence: u64,
    /// Which classes are in it.
    pub selector: Selector,
}

/// A Kubernetes label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Labels that must have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One condition of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With which values. Empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is absent.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
}

impl ImageChain {
    /// Its layers as a chain.
    pub fn chain(&self) -> LayerChain {
        LayerChain::new(self.layer_identity, self.layers.iter().copied())
    }
}

impl CatalogRecord {
    /// What it is kept under.
    pub fn key(&self) -> CatalogKey {
        match self {
            Self::ImageClass(class) => CatalogKey::Class(class.name.clone()),
            Self::ImageClassVersion(version) => CatalogKey::Version(version.class.clone(), version.number),
            Self::ImageClassGroup(group) => CatalogKey::Group(group.name.clone()),
        }
    }
}

impl CatalogKey {
    /// Reads a key back; `None` for one that is none.
    pub fn parse(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('/')?;
        match kind {
            "class" => Some(Self::Class(name.to_owned())),
            "group" => Some(Self::Group(name.to_owned())),
            "version" => {
                let (class, number) = name.split_once('/')?;
                Some(Self::Version(class.to_owned(), number.parse().ok()?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for CatalogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(name) => write!(f, "class/{name}"),
            Self::Version(class, number) => write!(f, "version/{class}/{number}"),
            Self::Group(name) => write!(f, "group/{name}"),
        }
    }
}

impl Value for CatalogRecord {
    const TOPIC: Topic = Topic::Catalog;
    const TYPE: &'static str = "dev.clade.catalog.v1";
    fn id(&self, _: &[u8]) -> String {
        match self {
            Self::ImageClass(class) => format!("{}@{}", self.key(), class.sequence),
            Self::ImageClassVersion(version) => format!("{}@{}", self.key(), version.digest),
            Self::ImageClassGroup(group) => format!("{}@{}", self.key(), group.sequence),
        }
    }
}
