//! Observations: the facts that a source can report. Sources create them, and the publisher turns them into records.
//!
//! Pure vocabulary, so that a source knows neither the publisher nor the log.

use std::collections::HashSet;

use crate::declare::{ClassSpec, GroupSpec};
use crate::oci::Digest;
use crate::record::{BuildConfigRecord, Claim, DeadLetterRecord, ImageRecord, StreamTag, TagImage, TagItem};

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
    /// What an image stream says of one of its tags, by full name, beside where that points. It comes after the tag.
    StreamTag(String, StreamTag),
    /// All tags that a repository of a live source has now: those of this source that are not among them are gone.
    Repository {
        /// The live source.
        source: String,
        /// The repository.
        repository: String,
        /// The tags.
        tags: Vec<ObservedTag>,
    },
    /// What a source has that is asked again and again, since it tells nobody of what it deletes.
    Polled {
        /// The live source.
        source: String,
        /// Counts how often all of it was looked at. What vanishes at once is believed when a later look sees it as well.
        look: u64,
        /// What was seen.
        seen: Polled,
    },
    /// Everything that a live source has of one kind: what was published as its own and is not in it is gone.
    Listed(String, Listing),
    /// A BuildConfig.
    BuildConfig(Box<BuildConfigRecord>),
    /// A BuildConfig that no longer exists, as `namespace/name`.
    BuildConfigGone(String),
    /// A class as it is declared in the source.
    Class(Box<ClassSpec>),
    /// A class that is not declared any more.
    ClassGone(String),
    /// A group as it is declared in the source.
    Group(GroupSpec),
    /// A group that is not declared any more.
    GroupGone(String),
    /// An object that is no image, with its kind: skipped and counted.
    NotAnImage(&'static str),
    /// An input that could not be read.
    Unreadable(DeadLetterRecord),
}

/// What is seen of a source that is asked again and again.
#[derive(Debug, Clone)]
pub enum Polled {
    /// All tags that a repository has. One without a moment is there, and where it points could not be found out.
    Repository(String, Vec<ObservedTag>),
    /// All repositories, and all images of those that could be seen.
    Everything {
        /// The repositories.
        repositories: HashSet<String>,
        /// The images of those that could be seen whole.
        images: HashSet<Digest>,
        /// The repositories that could not. What is known of their images stays.
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
    /// Every declared class: one source has all of them.
    Classes(HashSet<String>),
    /// Every declared group.
    Groups(HashSet<String>),
}
