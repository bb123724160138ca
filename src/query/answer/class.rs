//! Answers about classes and groups, in the form of the custom resources.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::declare::ClassFields;
use crate::oci::{Digest, LayerIdentity, Platform};
use crate::record::catalog::Selector;
use crate::record::{Origin, Timestamp};

/// A class, in the form of the custom resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// The current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<VersionItem>,
    /// The earlier versions, newest first.
    #[serde(default)]
    pub history: Vec<VersionItem>,
    /// The number of members.
    pub members: u64,
    /// The number of outdated members.
    pub outdated: u64,
    /// The number of workloads that run an image of the class. Absent where no workload is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// The number of those that run an outdated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_outdated: Option<u64>,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One version of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionItem {
    /// The image or image index that the followed tag pointed at.
    pub digest: Digest,
    /// The source of clade's knowledge of the version: `observed`, `history`, `pattern`, `adopted` or
    /// `claimed`.
    #[serde(default)]
    pub origin: Origin,
    /// The tag by which a pattern found the version, or that claims name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The time at which this became the current version. Absent if nobody knows it: the version came before those with
    /// a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// The time of the build of a version without `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub built: Option<Timestamp>,
    /// The time at which the next version replaced it; absent for the last one, and where nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// The number of members that are built on this version.
    #[serde(default)]
    pub members: u64,
    /// One chain per platform.
    pub images: Vec<VersionImage>,
}

/// One platform of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, or of a class also `Following`.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    /// The selector over the labels of classes.
    pub selector: Selector,
}

/// The status of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The names of the selected classes.
    pub classes: Vec<String>,
}

/// A version of the classes that follow a tag: a line of `clade export versions`, which `clade import` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedVersion {
    /// The full name of the tag.
    pub version_of: String,
    /// The image or image index.
    pub digest: Digest,
    /// The time at which the tag began to point at it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// The time of the build, if the other is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub built: Option<Timestamp>,
    /// The images, one a platform.
    pub images: Vec<ExportedImage>,
}

/// One platform of an exported version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedImage {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The platform.
    pub platform: Platform,
    /// The kind of digest in `layers`.
    pub layer_identity: LayerIdentity,
    /// The non-empty layers, base first.
    pub layers: Vec<Digest>,
    /// The same layers as stored, if `layers` has their diff IDs and both are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Digest>,
}
