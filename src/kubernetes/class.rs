//! The custom resources: the declarations of administrators, and the status that clade writes.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::LayerIdentity;
use crate::record::catalog::Selector;
use crate::record::{ObjectReference, RebuildPolicy, ReferenceKind, VersionSources};

/// A class of images: every image that is built on one base image, or on any earlier version of it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "clade.dev",
    version = "v1alpha1",
    kind = "ImageClass",
    plural = "imageclasses",
    singular = "imageclass",
    shortname = "imgclass",
    category = "clade",
    status = "ImageClassStatus",
    doc = "A class of images: everything that is built on one base image, or on any earlier version of it.",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "the name becomes part of a label's key: 63 characters at the most"
    ),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from.name", description = "what it follows"),
    printcolumn(
        name = "In",
        type_ = "string",
        json_path = ".spec.from.namespace",
        description = "the namespace of what it follows"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "whether images are classified by it"
    ),
    printcolumn(
        name = "Following",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Following')].reason",
        description = "whether what it follows is there"
    ),
    printcolumn(name = "Versions", type_ = "integer", json_path = ".status.versions"),
    printcolumn(
        name = "Members",
        type_ = "integer",
        json_path = ".status.members",
        description = "images built on any of its versions"
    ),
    printcolumn(
        name = "Outdated",
        type_ = "integer",
        json_path = ".status.outdated",
        description = "members that are not built on the current version"
    ),
    printcolumn(
        name = "Running",
        type_ = "integer",
        json_path = ".status.running",
        description = "workloads that run an image of the class"
    ),
    printcolumn(
        name = "Running outdated",
        type_ = "integer",
        json_path = ".status.runningOutdated",
        description = "those of them that run an outdated one"
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = ".status.current.since",
        description = "how long its current version is current"
    )
)]
pub struct ImageClassSpec {
    /// The image that the class follows.
    pub from: ImageSource,
    /// The sources of versions beside the followed tag itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<VersionSources>,
    /// The rebuild policy: what clade does about outdated images of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildPolicy>,
}

/// A reference to an image, with the kinds of OpenShift's ObjectReference, or to a chain.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.kind == 'DockerImage' || self.kind == 'Chain' || has(self.namespace)").message(
        "namespace is missing: in which one is the image stream?"
    ),
    validation = Rule::new("self.kind != 'Chain' || !has(self.namespace) && self.name.matches('^sha256:[0-9a-f]{64}$')").message(
        "name of kind Chain must be a chain ID, sha256:DIGEST, and it is in no namespace"
    ),
    validation = Rule::new("self.kind != 'ImageStreamTag' || self.name.matches('^[^:@]+:[^:@]+$')").message(
        "name of kind ImageStreamTag must be STREAM:TAG, as php:7.1"
    ),
    validation = Rule::new("self.kind != 'ImageStreamImage' || self.name.matches('^[^:@]+@sha256:[0-9a-f]{64}$')").message(
        "name of kind ImageStreamImage must be STREAM@sha256:DIGEST"
    )
)]
pub struct ImageSource {
    /// The kind, which decides the form of `name`.
    pub kind: ReferenceKind,
    /// `stream:tag`, `stream@digest`, a pull spec, or a chain ID.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// The namespace of the image stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

impl From<ImageSource> for ObjectReference {
    fn from(ImageSource { kind, name, namespace }: ImageSource) -> Self {
        Self { kind, name, namespace }
    }
}

impl From<ObjectReference> for ImageSource {
    fn from(ObjectReference { kind, name, namespace }: ObjectReference) -> Self {
        Self { kind, name, namespace }
    }
}

/// The status of a class.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageClassStatus {
    /// The generation of the declaration that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The reference whose versions these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ImageSource>,
    /// The current version: the image that the followed reference points at now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<ClassVersion>,
    /// Earlier versions, newest first, at most ten, or eleven while none is current. The topic `catalog` has all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ClassVersion>,
    /// The number of versions so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<i64>,
    /// The number of images that are built on any version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i64>,
    /// The number of those images that are not built on the current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<i64>,
    /// The number of workloads that run an image of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<i64>,
    /// The number of those workloads that run an outdated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_outdated: Option<i64>,
    /// `Ready` and `Following`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// One version of a class.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassVersion {
    /// The image or image index that the tag pointed at.
    pub digest: String,
    /// The source of clade's knowledge of the version: `observed`, `history`, `pattern`, `adopted` or
    /// `claimed`.
    pub origin: Option<String>,
    /// The time at which this became the current version. Absent if nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The time at which the next version replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// One image per platform.
    pub images: Vec<VersionImage>,
}

/// The chain of one platform's image.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VersionImage {
    /// The image.
    pub image: String,
    /// The platform, as `linux/amd64`.
    pub platform: String,
    /// The kind of digest that identifies the layers: `blob` or `diff-id`.
    pub layer_identity: LayerIdentity,
    /// The chain IDs of the layers, base first. The last one is that of the whole image.
    pub chains: Vec<String>,
    /// The layers, base first. clade reads them again if it has lost its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// The same layers as a registry stores them, if `layers` are diff IDs and both are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<String>,
}

/// A condition, as in other Kubernetes objects.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready` or `Following`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the declaration that this condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The time of the last change of `status`.
    pub last_transition_time: String,
    /// The reason as a CamelCase word for programs.
    pub reason: String,
    /// The reason as a sentence for people.
    pub message: String,
}

/// A group: the classes that a label selector selects.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "clade.dev",
    version = "v1alpha1",
    kind = "ImageClassGroup",
    plural = "imageclassgroups",
    singular = "imageclassgroup",
    shortname = "imgclassgroup",
    category = "clade",
    status = "ImageClassGroupStatus",
    doc = "A group of image classes: those that a selector selects, by their labels.",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "the name becomes part of a label's key: 63 characters at the most"
    ),
    // Of a list, the API server shows the first entry alone.
    printcolumn(name = "Classes", type_ = "string", json_path = ".status.summary", description = "selected now")
)]
pub struct ImageClassGroupSpec {
    /// The selector over the labels of classes.
    pub selector: Selector,
}

/// The status of a group.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageClassGroupStatus {
    /// The generation of the declaration that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The names of the selected classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The same names in one text.
    #[serde(default)]
    pub summary: String,
}
