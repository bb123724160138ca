//! Defines the answers as JSON: a contract that scripts outside this repository rely on. Fields are added, never
//! changed.

mod class;
mod coverage;
mod lineage;
mod policy;
mod workload;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Platform};
use crate::record::{Origin, State, Timestamp};

pub use crate::declare::API_VERSION;
pub use class::{
    ClassItem, ClassStatus, Condition, ExportedImage, ExportedVersion, GroupItem, GroupSpec, GroupStatus,
    VersionImage, VersionItem,
};
pub use coverage::{BaseClaim, ClaimedClass, CoverageItem, CoverageReport, UnknownBase};
pub use workload::{WorkloadContainerItem, WorkloadImageItem, WorkloadItem, WorkloadStanding};

pub use lineage::{
    Base, ChainItem, ClaimItem, Explanation, LayerItem, Lineage, Newer, Resolution, ResolvedChain,
};
pub use policy::{PolicyItem, PolicyStatus};

/// A list, as `kubectl get -o json` prints one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ListOf{T}")]
pub struct List<T> {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `List`.
    pub kind: String,
    /// The position of the list, and how it goes on.
    #[serde(default)]
    pub metadata: ListMetadata,
    /// The items.
    pub items: Vec<T>,
}

impl<T> List<T> {
    /// Returns a list of `items`.
    pub fn new(items: Vec<T>) -> Self {
        let metadata = ListMetadata::default();
        Self { api_version: API_VERSION.to_owned(), kind: "List".to_owned(), metadata, items }
    }
}

/// The position of a list, and how it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListMetadata {
    /// The offsets of the log up to which the answer has everything, for each partition those of `images`, `tags` and
    /// `catalog`. On a later page it is that of the first page.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// The time that the answer is about, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// The token for the next page. Absent on the last one.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The number of items that follow, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_item_count: Option<u64>,
}

/// A name that may be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    /// The kind of object that is called so.
    pub kind: Suggested,
    /// The full name.
    pub name: String,
}

/// The kinds of objects that are suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Suggested {
    /// A class.
    Class,
    /// A repository with a tag.
    Repository,
    /// A tag.
    Tag,
    /// An image, by its digest.
    Image,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageItem {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The image ID: the digest of the config, if a source has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<Digest>,
    /// The platform.
    pub platform: Platform,
    /// The time of the build, if a source has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub created: Option<Timestamp>,
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
    /// The size of these layers as stored, usually compressed, in bytes; if a source has told that of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The classes that the image is a member of, by name.
    pub classes: Vec<ClassStanding>,
    /// For each group, the classes of the group that the image is a member of, nearest first.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The number of images that are based on it. Only in a list of direct descendants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descendants: Option<u64>,
}

/// The standing of an image in a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassStanding {
    /// The class.
    pub name: String,
    /// The state: `current` if the base version is the class's current one.
    pub state: State,
    /// The base version: the digest of the base image that the image was built on.
    pub version: Digest,
    /// The source of clade's knowledge of that version: `observed`, `history`, `pattern`, `adopted` or
    /// `claimed`.
    #[serde(default)]
    pub origin: Origin,
    /// Digest of the class's current image for the same platform; null when that version has none.
    pub current: Option<Digest>,
    /// The number of layers of that base.
    pub depth: u32,
    /// `true` if no other class follows a deeper base of this image.
    pub nearest: bool,
    /// The time since which the image is outdated, or at least since when. Absent if it is current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub outdated_since: Option<Timestamp>,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagItem {
    /// Full name, `repository:tag`.
    pub name: String,
    /// The image or image index that it points at.
    pub digest: Digest,
    /// The time at which the tag began to point at it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The images that the tag resolves to, limited to those that match the filter.
    pub images: Vec<ImageItem>,
    /// Images that the tag resolves to and that clade has never seen.
    #[serde(default)]
    pub unknown: Vec<Digest>,
}

/// Name and labels of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The usage of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The time that the answer is about, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// The class.
    pub class: String,
    /// The number of images in the class.
    pub images: u64,
    /// The number of those that are outdated.
    pub outdated: u64,
    /// The number of tags that reference an image of the class now. Absent if tags were not to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u64>,
    /// The number of workloads that run an image of the class. Absent where no workload is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// The number of those that run an outdated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_outdated: Option<u64>,
    /// Repositories with an image of the class.
    pub repositories: Vec<RepositoryUsage>,
    /// Namespaces of those repositories that have one: the part before the last slash.
    pub namespaces: Vec<String>,
}

/// The usage of a class by one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryUsage {
    /// The repository.
    pub name: String,
    /// The number of its images in the class.
    pub images: u64,
    /// The number of those that are outdated.
    pub outdated: u64,
    /// The number of its tags that reference an image of the class. Absent if tags were not to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u64>,
}

/// The status of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}
