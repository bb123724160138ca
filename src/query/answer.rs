//! The answers as JSON: a contract that scripts outside this repository rely on. Fields are added, never changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::declare::ClassFields;
use crate::oci::{Digest, Platform};
use crate::record::catalog::Selector;
use crate::record::{Claim, State, Timestamp};

pub use crate::declare::API_VERSION;

/// A list, as `kubectl get -o json` prints one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `List`.
    pub kind: String,
    /// What was asked for.
    pub items: Vec<T>,
}

impl<T> List<T> {
    /// A list of `items`.
    pub fn new(items: Vec<T>) -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: "List".to_owned(), items }
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageItem {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// The repositories it was seen in, sorted.
    pub repositories: Vec<String>,
    /// Full names of the tags that point at it now, sorted.
    pub tags: Vec<String>,
    /// How many non-empty layers it has.
    pub layers: u32,
    /// The classes it is a member of, by name.
    pub classes: Vec<ClassStanding>,
    /// By group, the classes of the group that it is a member of, nearest first.
    pub groups: BTreeMap<String, Vec<String>>,
}

/// Where an image stands in a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStanding {
    /// The class.
    pub name: String,
    /// Whether the base version is the class's current one.
    pub state: State,
    /// Digest of the base image it was built on.
    pub version: Digest,
    /// Digest of the class's current image for the same platform; null when that version has none.
    pub current: Option<Digest>,
    /// Layers of the base it was built on.
    pub depth: u32,
    /// Whether no other class follows a deeper base of this image.
    pub nearest: bool,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagItem {
    /// Full name, `repository:tag`.
    pub name: String,
    /// The image or image index that it points at.
    pub digest: Digest,
    /// Since when.
    pub since: Timestamp,
    /// The images it resolves to, those that were asked for.
    pub images: Vec<ImageItem>,
    /// Images it resolves to that were never seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Digest>,
}

/// Name and labels of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A class, in the form of the custom resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassItem {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `ImageClass`.
    pub kind: String,
    /// Name and labels.
    pub metadata: Metadata,
    /// What was declared.
    pub spec: ClassFields,
    /// What is so.
    pub status: ClassStatus,
}

/// What a class has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// The current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<VersionItem>,
    /// The earlier versions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<VersionItem>,
    /// How many images are in it.
    pub members: u64,
    /// How many of them are on an earlier version.
    pub outdated: u64,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// One version of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionItem {
    /// The image or image index that the followed tag pointed at.
    pub digest: Digest,
    /// From when on.
    pub since: Timestamp,
    /// Until when; absent for the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// One chain a platform.
    pub images: Vec<VersionImage>,
}

/// One platform of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionImage {
    /// Its image.
    pub digest: Digest,
    /// What that runs on.
    pub platform: Platform,
    /// Its last chain.
    pub chain_id: Digest,
    /// Layers in it.
    pub layers: u32,
}

/// A condition, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready` or `Following`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl From<&crate::declare::Condition> for Condition {
    fn from(condition: &crate::declare::Condition) -> Self {
        Self {
            kind: condition.kind.to_owned(),
            status: condition.status.as_str().to_owned(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        }
    }
}

/// A group, in the form of the custom resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupItem {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `ImageClassGroup`.
    pub kind: String,
    /// Its name.
    pub metadata: Metadata,
    /// What was declared.
    pub spec: GroupSpec,
    /// What is so.
    pub status: GroupStatus,
}

/// What a group was declared as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    /// Which classes are in it.
    pub selector: Selector,
}

/// What a group has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The classes it selects, by name.
    pub classes: Vec<String>,
}

/// Who uses a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The class.
    pub class: String,
    /// Images in it.
    pub images: u64,
    /// Of those, images on an earlier version.
    pub outdated: u64,
    /// Tags that reference an image in it now.
    pub tags: u64,
    /// Repositories with an image in it.
    pub repositories: Vec<RepositoryUsage>,
    /// Namespaces of those repositories (what stands before the last slash), where they have one.
    pub namespaces: Vec<String>,
}

/// How one repository uses a class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryUsage {
    /// The repository.
    pub name: String,
    /// Its images in the class.
    pub images: u64,
    /// Of those, images on an earlier version.
    pub outdated: u64,
    /// Its tags that reference an image in the class.
    pub tags: u64,
}

/// One image's relations, a line of `clade export lineage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The image.
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// The images that it is based on, nearest first; images with the same layers stand beside each other.
    pub bases: Vec<Base>,
    /// The images with the same layers, by digest.
    pub equivalents: Vec<Digest>,
    /// Its classes.
    pub classes: Vec<ClassStanding>,
    /// What is claimed of its base.
    pub claims: Vec<Claim>,
}

/// An image that another is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The base.
    pub digest: Digest,
    /// Its layers.
    pub depth: u32,
    /// The tags that point at it now.
    pub tags: Vec<String>,
}

/// Why an image is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The image.
    pub image: ImageItem,
    /// What its layers are known by.
    pub layer_identity: crate::oci::LayerIdentity,
    /// Its non-empty layers, base first, and who else has them.
    pub layers: Vec<LayerItem>,
    /// The images that it is based on, nearest first.
    pub bases: Vec<Base>,
    /// Images with the same layers.
    pub equivalents: Vec<Digest>,
    /// How many images are based on it.
    pub descendants: u64,
    /// What is claimed of its base, and what the layers say to that.
    pub claims: Vec<ClaimItem>,
    /// For each class in which it is outdated: what is newer.
    pub newer: Vec<Newer>,
    /// The answer in one sentence.
    pub verdict: String,
}

/// One layer and the chain up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerItem {
    /// How many layers up to here.
    pub depth: u32,
    /// The layer.
    pub layer: Digest,
    /// The chain of the layers up to here.
    pub chain_id: Digest,
    /// The images whose last layer this is, the image itself left out.
    pub images: Vec<Base>,
    /// The classes that have a version that ends here.
    pub classes: Vec<String>,
}

/// A claim beside the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimItem {
    /// What is claimed.
    #[serde(flatten)]
    pub claim: Claim,
    /// What the layers say: `proven`, `not-proven` (the claimed base is known and is no prefix), `unknown`.
    pub by_layers: String,
}

/// A class's current version, told beside the one that an image is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Newer {
    /// The class.
    pub class: String,
    /// The version that the image is built on.
    pub version: Digest,
    /// Since when the class's current version is current.
    pub since: Timestamp,
    /// The class's current image for the platform, if it has one.
    pub current: Option<Digest>,
    /// How many versions came after the one that the image is built on.
    pub versions_behind: u32,
}

/// How one partition is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// The partition.
    pub partition: u16,
    /// Whether it was brought up to date once. Before, answers lack it.
    pub restored: bool,
    /// Images in its index.
    pub images: u64,
    /// Records of `images` that are published and not in answers.
    pub behind_records: u64,
    /// For how many seconds it has not been up to date; 0 when it is, absent when it never was.
    pub behind_seconds: Option<u64>,
}
