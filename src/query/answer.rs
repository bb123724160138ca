//! Defines the answers as JSON: a contract that scripts outside this repository rely on. Fields are added, never
//! changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::declare::ClassFields;
use crate::oci::{Digest, Platform};
use crate::record::catalog::Selector;
use crate::record::{Claim, Origin, State, Timestamp};

pub use crate::declare::API_VERSION;

/// A list, as `kubectl get -o json` prints one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `List`.
    pub kind: String,
    /// The items.
    pub items: Vec<T>,
}

impl<T> List<T> {
    /// Returns a list of `items`.
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
    /// The platform.
    pub platform: Platform,
    /// The repositories that contain the image, sorted.
    pub repositories: Vec<String>,
    /// Full names of the tags that point at it now, sorted. In a list of tags at most a hundred: a list whose items all named
    /// one another would be as long as the square of their number.
    pub tags: Vec<String>,
    /// The number of tags that are left out of `tags`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_tags: u64,
    /// The number of non-empty layers.
    pub layers: u32,
    /// The classes that the image is a member of, by name.
    pub classes: Vec<ClassStanding>,
    /// For each group, the classes of the group that the image is a member of, nearest first.
    pub groups: BTreeMap<String, Vec<String>>,
}

/// The standing of an image in a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStanding {
    /// The class.
    pub name: String,
    /// The state: `current` if the base version is the class's current one.
    pub state: State,
    /// The base version: the digest of the base image that the image was built on.
    pub version: Digest,
    /// The source of clade's knowledge of that version: `observed`, `pattern` or `claimed`.
    #[serde(default)]
    pub origin: Origin,
    /// Digest of the class's current image for the same platform; null when that version has none.
    pub current: Option<Digest>,
    /// The number of layers of that base.
    pub depth: u32,
    /// `true` if no other class follows a deeper base of this image.
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
    /// The time at which the tag began to point at it.
    pub since: Timestamp,
    /// The images that the tag resolves to, limited to those that match the filter.
    pub images: Vec<ImageItem>,
    /// Images that the tag resolves to and that clade has never seen.
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
    /// The declaration.
    pub spec: ClassFields,
    /// The status.
    pub status: ClassStatus,
}

/// The status of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// The current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<VersionItem>,
    /// The earlier versions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<VersionItem>,
    /// The number of members.
    pub members: u64,
    /// The number of outdated members.
    pub outdated: u64,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One version of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionItem {
    /// The image or image index that the followed tag pointed at.
    pub digest: Digest,
    /// The source of clade's knowledge of the version: `observed`, `pattern` or `claimed`.
    #[serde(default)]
    pub origin: Origin,
    /// The tag by which a pattern found the version, or that claims name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The time at which this became the current version. Absent if nobody knows it: the version came before those with
    /// a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The time of the build of a version without `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Timestamp>,
    /// The time at which the next version replaced it; absent for the last one, and where nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// One chain per platform.
    pub images: Vec<VersionImage>,
}

/// One platform of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionImage {
    /// The image.
    pub digest: Digest,
    /// The platform.
    pub platform: Platform,
    /// The last chain of the image.
    pub chain_id: Digest,
    /// The number of layers.
    pub layers: u32,
}

/// A condition, as in Kubernetes objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready` or `Following`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason as a word for programs.
    pub reason: String,
    /// The reason as a sentence for people.
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
    /// The name.
    pub metadata: Metadata,
    /// The declaration.
    pub spec: GroupSpec,
    /// The status.
    pub status: GroupStatus,
}

/// The declaration of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    /// The selector over the labels of classes.
    pub selector: Selector,
}

/// The status of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The names of the selected classes.
    pub classes: Vec<String>,
}

/// The usage of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The class.
    pub class: String,
    /// The number of images in the class.
    pub images: u64,
    /// The number of those that are outdated.
    pub outdated: u64,
    /// The number of tags that reference an image of the class now.
    pub tags: u64,
    /// Repositories with an image of the class.
    pub repositories: Vec<RepositoryUsage>,
    /// Namespaces of those repositories that have one: the part before the last slash.
    pub namespaces: Vec<String>,
}

/// The usage of a class by one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryUsage {
    /// The repository.
    pub name: String,
    /// The number of its images in the class.
    pub images: u64,
    /// The number of those that are outdated.
    pub outdated: u64,
    /// The number of its tags that reference an image of the class.
    pub tags: u64,
}

/// The relations of one image, a line of `clade export lineage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The image.
    pub digest: Digest,
    /// The platform.
    pub platform: Platform,
    /// The images that the image is based on, nearest first; images with the same layers follow each other.
    pub bases: Vec<Base>,
    /// The images with the same layers, by digest.
    pub equivalents: Vec<Digest>,
    /// The classes of the image.
    pub classes: Vec<ClassStanding>,
    /// The claims about its base.
    pub claims: Vec<Claim>,
}

/// An image that another is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The base.
    pub digest: Digest,
    /// The number of its layers.
    pub depth: u32,
    /// The tags that point at it now.
    pub tags: Vec<String>,
}

/// The explanation of an image: the evidence for its classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The image.
    pub image: ImageItem,
    /// The kind of digest that identifies the layers.
    pub layer_identity: crate::oci::LayerIdentity,
    /// The non-empty layers, base first, with the other images that have them.
    pub layers: Vec<LayerItem>,
    /// The images that the image is based on, nearest first.
    pub bases: Vec<Base>,
    /// Images with the same layers.
    pub equivalents: Vec<Digest>,
    /// The number of images that are based on it.
    pub descendants: u64,
    /// The claims about its base, with the evidence of the layers.
    pub claims: Vec<ClaimItem>,
    /// The newer version of each class in which the image is outdated.
    pub newer: Vec<Newer>,
    /// The answer in one sentence.
    pub verdict: String,
}

/// One layer and the chain up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerItem {
    /// The number of layers up to here.
    pub depth: u32,
    /// The layer.
    pub layer: Digest,
    /// The chain of the layers up to here.
    pub chain_id: Digest,
    /// The images whose last layer this is, except the image itself.
    pub images: Vec<Base>,
    /// The classes with a version that ends here.
    pub classes: Vec<String>,
}

/// A claim beside the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimItem {
    /// The claim.
    #[serde(flatten)]
    pub claim: Claim,
    /// The evidence of the layers: `proven`, `not-proven` (the claimed base is known and is no prefix), `unknown`.
    pub by_layers: String,
}

/// The current version of a class, beside the one that an image is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Newer {
    /// The class.
    pub class: String,
    /// The base version of the image.
    pub version: Digest,
    /// The time at which the class's current image for the platform became current.
    pub since: Timestamp,
    /// The time at which another image replaced the base version of the image, or, with `at_least`, the earliest time of
    /// which clade knows that one had.
    pub outdated_since: Timestamp,
    /// `true` if the image is outdated at least since `outdated_since`: nobody knows the moment.
    pub at_least: bool,
    /// The class's current image for the platform, if it has one.
    pub current: Option<Digest>,
    /// The number of moves of the class after the base version of the image that gave the platform another image, or took
    /// it away.
    pub versions_behind: u32,
}

/// The status of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// The partition.
    pub partition: u16,
    /// `true` once the partition was up to date. Before, it is missing from answers.
    pub restored: bool,
    /// The number of images in its index.
    pub images: u64,
    /// Records of `images` that are published and not in answers yet.
    pub behind_records: u64,
    /// Seconds since the partition was last up to date; 0 if it is, absent if it never was.
    pub behind_seconds: Option<u64>,
}

/// Returns `true` for 0, which an answer leaves out.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
