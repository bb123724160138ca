//! Topic `catalog`: classes, their versions, groups, and policies. Small and global: every processor reads all of it.
//!
//! A version is a record of its own, so that a class with 500 versions stays far below the largest
//! record. A version counts only once the record of its class includes it (`versions`), so a reader that sees the
//! version before the class concludes nothing from it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectReference, PolicyRecord, RebuildPolicy, Topic, Value, VersionRecord, VersionSources};
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
    /// A policy of what may run.
    ClassPolicy(PolicyRecord),
}

/// The key of a record of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CatalogKey {
    /// `class/NAME`
    Class(String),
    /// `version/CLASS/NUMBER`
    Version(String, u32),
    /// `group/NAME`
    Group(String),
    /// `policy/NAME`
    Policy(String),
}

/// A class: the declaration of an administrator, and the position of its version list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassRecord {
    /// The name, a Kubernetes label value.
    pub name: String,
    /// Publication counter of the publisher.
    pub sequence: u64,
    /// The sequence at the creation of the class. It distinguishes the class from an earlier class of the same name.
    pub generation: u64,
    /// The labels that groups select the class by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The reference that the class follows.
    pub from: ObjectReference,
    /// The sources of versions beside the followed tag itself.
    #[serde(default, skip_serializing_if = "VersionSources::is_default")]
    pub version_sources: VersionSources,
    /// The number of versions. Every version of the class has a number below this one.
    pub versions: u32,
    /// The number of the current version. Absent until clade has seen the followed image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
    /// Counts the changes of the version list and of the current version. It distinguishes a move of the followed tag
    /// from an earlier move to the same version.
    pub revision: u64,
    /// The state of the reference that the class follows.
    pub following: Following,
    /// The rebuild policy: what clade does about outdated images of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Box<RebuildPolicy>>,
}

/// The state of the reference that a class follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Following {
    /// `true` if the followed tag or image is known and resolves to known images.
    pub ready: bool,
    /// The reason as a CamelCase word for programs: `Following`, `Settling`, `NotFound`, `TagGone`, `ImageUnknown`,
    /// `NoLayers`.
    pub reason: String,
    /// The reason as a sentence for people.
    pub message: String,
}

/// The chain of one platform's image. It is enough to recognise the images built on it after the image itself is
/// pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChain {
    /// The image that the chain was taken from.
    pub digest: Digest,
    /// The platform of that image.
    pub platform: Platform,
    /// The kind of digest that identifies the layers.
    pub layer_identity: LayerIdentity,
    /// The non-empty layers, base first.
    pub layers: Vec<Digest>,
    /// The chain ID of all layers.
    pub chain_id: ChainId,
    /// The same layers as they are stored, base first, if `layers` has their diff IDs and both are known. Images of which
    /// only the blobs are known are compared with these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Digest>,
}

/// A group: the classes that a label selector selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupRecord {
    /// The name, the key of `group=class`.
    pub name: String,
    /// Publication counter of the publisher.
    pub sequence: u64,
    /// The selector over the labels of classes.
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
    /// The operator that compares the label with the values.
    pub operator: Operator,
    /// The values to compare with. Empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// The operator of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl ImageChain {
    /// The chain of an image with these layers, and with their blobs if both are known. The error says what does not go
    /// together.
    pub fn new(
        digest: Digest,
        platform: Platform,
        layer_identity: LayerIdentity,
        layers: Vec<Digest>,
        blobs: Vec<Digest>,
    ) -> Result<Self, String> {
        if !blobs.is_empty() && (layer_identity == LayerIdentity::Blob || blobs.len() != layers.len()) {
            return Err(format!("the blobs of the image {digest} do not go with its layers"));
        }
        let chain = LayerChain::new(layer_identity, layers);
        let chain_id = chain.last().ok_or_else(|| format!("the image {digest} has no layers"))?;
        Ok(Self { digest, platform, layer_identity, layers: chain.layers().to_vec(), chain_id, blobs })
    }

    /// The layers as a chain.
    pub fn chain(&self) -> LayerChain {
        LayerChain::new(self.layer_identity, self.layers.iter().copied())
    }

    /// The chain of each kind of digest that is known of all layers.
    pub fn chains(&self) -> impl Iterator<Item = LayerChain> {
        let blobs = (!self.blobs.is_empty())
            .then(|| LayerChain::new(LayerIdentity::Blob, self.blobs.iter().copied()));
        [self.chain()].into_iter().chain(blobs)
    }
}

impl CatalogRecord {
    /// The key of the record.
    pub fn key(&self) -> CatalogKey {
        match self {
            Self::ImageClass(class) => CatalogKey::Class(class.name.clone()),
            Self::ImageClassVersion(version) => CatalogKey::Version(version.class.clone(), version.number),
            Self::ImageClassGroup(group) => CatalogKey::Group(group.name.clone()),
            Self::ClassPolicy(policy) => CatalogKey::Policy(policy.name.clone()),
        }
    }
}

impl CatalogKey {
    /// Parses a key. Returns `None` for a text that is no key of the catalog.
    pub fn parse(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('/')?;
        match kind {
            "class" => Some(Self::Class(name.to_owned())),
            "group" => Some(Self::Group(name.to_owned())),
            "policy" => Some(Self::Policy(name.to_owned())),
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
            Self::Policy(name) => write!(f, "policy/{name}"),
        }
    }
}

impl Value for CatalogRecord {
    const TOPIC: Topic = Topic::Catalog;
    const TYPE: &'static str = "dev.clade.catalog.v1";
    fn id(&self, json: &[u8]) -> String {
        match self {
            Self::ImageClass(class) => format!("{}@{}", self.key(), class.sequence),
            // Its images and origin may change.
            Self::ImageClassVersion(version) => {
                format!("{}@{}#{}", self.key(), version.digest, Digest::of(json).short())
            }
            Self::ImageClassGroup(group) => format!("{}@{}", self.key(), group.sequence),
            Self::ClassPolicy(policy) => format!("{}@{}", self.key(), policy.sequence),
        }
    }
}
