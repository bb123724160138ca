//! Observations: the facts that a source can report. Sources create them, and the publisher turns them into records.
//!
//! Pure vocabulary, so that a source knows neither the publisher nor the log.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::declare::{ClassSpec, GroupSpec, PolicySpec};
use crate::oci::{Digest, Platform};
use crate::record::catalog::ImageChain;
use crate::record::{
    BuildConfigRecord, Claim, DeadLetterRecord, ImageRecord, StreamTag, TagImage, TagItem, Timestamp,
    WorkloadRecord,
};

/// A fact that a source has observed.
#[derive(Debug, Clone)]
pub enum Observation {
    /// An image. Its repositories and claims are added to the known ones; its `sequence` is ignored.
    Image(Box<ImageRecord>),
    /// An image that a live source, given first, does not have any more.
    ImageGoneFrom(String, Digest),
    /// A claim about the base of an image.
    Claim(Digest, Claim),
    /// The images of an image index. A source that reports tags knows only the digest of the index.
    ImageIndex(Digest, Vec<TagImage>),
    /// A present or earlier target of a tag: any part of its history.
    Tag(ObservedTag),
    /// The facts beside the target that an image stream states about one of its tags, by full name. It comes after the
    /// tag.
    StreamTag(String, StreamTag),
    /// All tags that a repository of a live source has now. Other tags that this source has reported there are gone.
    Repository {
        /// The live source.
        source: String,
        /// The repository.
        repository: String,
        /// The tags.
        tags: Vec<ObservedTag>,
    },
    /// The result of a poll of a live source that does not report its deletions.
    Polled {
        /// The live source.
        source: String,
        /// The number of the pass. The publisher deletes a large part only when a later pass does not see it either.
        look: u64,
        /// The entries that the poll saw.
        seen: Polled,
    },
    /// Everything that a live source has of one kind. Other objects that were published as its own are gone.
    Listed(String, Listing),
    /// A BuildConfig.
    BuildConfig(Box<BuildConfigRecord>),
    /// A BuildConfig that no longer exists, as `namespace/name`.
    BuildConfigGone(String),
    /// A workload. Its `sequence` is ignored.
    Workload(Box<WorkloadRecord>),
    /// A workload that a source, given first, has no longer, by its key.
    WorkloadGone(String, String),
    /// A class as it is declared in the source.
    Class(Box<ClassSpec>),
    /// The versions that a class had when clade last wrote the status of its object, or why one of them cannot be read. They
    /// come before the class, and count if the log has no version of it.
    ClassHistory(String, Vec<Result<ObservedVersion, String>>),
    /// A class that is not declared any more.
    ClassGone(String),
    /// A group as it is declared in the source.
    Group(GroupSpec),
    /// A group that is not declared any more.
    GroupGone(String),
    /// A policy as it is declared in the source.
    Policy(Box<PolicySpec>),
    /// A policy that is not declared any more.
    PolicyGone(String),
    /// An object that is no image, with its kind. The publisher skips and counts it.
    NotAnImage(&'static str),
    /// A version that counts for the classes that follow a tag, as an administrator imports it.
    Version(Box<ObservedVersion>),
    /// An input that could not be read.
    Unreadable(DeadLetterRecord),
}

/// The entries that a poll saw.
#[derive(Debug, Clone)]
pub enum Polled {
    /// All tags of a repository. A tag without items exists, but the source could not resolve it.
    Repository(String, Vec<ObservedTag>),
    /// All repositories and their images.
    Everything {
        /// The repositories.
        repositories: HashSet<String>,
        /// The images that the source knows.
        images: HashSet<Digest>,
        /// The repositories that the source could not read whole. Images in them stay.
        unseen: HashSet<String>,
    },
}

/// A part of a tag's history.
#[derive(Debug, Clone)]
pub struct ObservedTag {
    /// The live source that has the tag, if any.
    pub source: Option<String>,
    /// The part of the name before the tag.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// The targets, oldest first.
    pub items: Vec<TagItem>,
    /// `true` if the source has read everything that the last target leads to.
    pub complete: bool,
}

/// A fact that was published of a live source. A source that starts again need not read it anew.
#[derive(Debug, Clone)]
pub enum Published {
    /// An image that is known by its diff IDs.
    Image {
        /// The digest.
        digest: Digest,
        /// The platform.
        platform: Platform,
        /// Every repository that contains the image.
        repositories: Vec<String>,
    },
    /// The present target of a tag.
    Tag {
        /// The part of the name before the tag.
        repository: String,
        /// The tag alone.
        tag: String,
        /// The target.
        digest: Digest,
        /// The time of the move.
        since: Timestamp,
        /// The images that the target leads to, if the source has read all of them.
        images: Option<Vec<Digest>>,
    },
}

/// The digests that the publisher would like to see, by repository as its source names it: images claim to be built on
/// them, and a class follows a tag there.
pub type Wanted = BTreeMap<String, BTreeSet<Digest>>;

/// An earlier version of the classes that follow a tag.
#[derive(Debug, Clone)]
pub struct ObservedVersion {
    /// The full name of the tag.
    pub tag: String,
    /// The image or image index.
    pub digest: Digest,
    /// The time at which the tag began to point at it, if it is known.
    pub since: Option<Timestamp>,
    /// The time of the build.
    pub built: Option<Timestamp>,
    /// One chain per platform.
    pub images: Vec<ImageChain>,
}

/// All objects of one kind in a source.
#[derive(Debug, Clone)]
pub enum Listing {
    /// Images.
    Images(HashSet<Digest>),
    /// Repositories; for an OpenShift cluster its image streams, as `namespace/name`.
    Repositories(HashSet<String>),
    /// BuildConfigs, as `namespace/name`.
    BuildConfigs(HashSet<String>),
    /// Workloads by their keys: all of the source, or all in these namespaces.
    Workloads {
        /// The keys.
        keys: HashSet<String>,
        /// The namespaces; `None` for all.
        namespaces: Option<HashSet<String>>,
    },
    /// Every declared class: one source has all of them.
    Classes(HashSet<String>),
    /// Every declared group.
    Groups(HashSet<String>),
    /// Every declared policy.
    Policies(HashSet<String>),
}
