//! Observations: all that a source can say. Sources make them, the publisher turns them into records.
//!
//! Pure vocabulary, so that a source knows neither the publisher nor the log.

use std::collections::HashSet;

use crate::declare::{ClassSpec, GroupSpec};
use crate::oci::Digest;
use crate::record::{BuildConfigRecord, Claim, DeadLetterRecord, ImageRecord, StreamTag, TagImage, TagItem};

/// Something that a source saw.
#[derive(Debug, Clone)]
pub enum Observation {
    /// An image. Its repositories and claims are added to those known; its `sequence` is not looked at.
    Image(Box<ImageRecord>),
    /// An image that exists no longer, whoever had it.
    #[cfg_attr(
        not(feature = "internals"),
        expect(dead_code, reason = "live sources name themselves; the rules are tested without one")
    )]
    ImageGone(Digest),
    /// An image that a live source, the first of the two, has no longer.
    ImageGoneFrom(String, Digest),
    /// A claim about the base of an image.
    Claim(Digest, Claim),
    /// The images of an image index, of which a source that tells of tags knows only the digest.
    ImageIndex(Digest, Vec<TagImage>),
    /// What a tag points at, or pointed at: any part of its history.
    Tag(ObservedTag),
    /// What an image stream says of one of its tags, by full name, beside where that points. It comes after the tag.
    StreamTag(String, StreamTag),
    /// All tags that a repository of a live source has now: those of this source that are not among them are gone.
    Repository {
        /// The live source.
        source: String,
        /// The repository.
        repository: String,
        /// Its tags.
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
    /// A BuildConfig that exists no longer, as `namespace/name`.
    BuildConfigGone(String),
    /// A class as it is declared where the source is.
    Class(Box<ClassSpec>),
    /// A class that is declared no longer.
    ClassGone(String),
    /// A group as it is declared where the source is.
    Group(GroupSpec),
    /// A group that is declared no longer.
    GroupGone(String),
    /// Something that is no image, and what it is: left out and counted.
    NotAnImage(&'static str),
    /// Something that could not be read.
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
    /// The live source that has it, if one does.
    pub source: Option<String>,
    /// The part of its name before the tag.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// What it pointed at, oldest first.
    pub items: Vec<TagItem>,
}

/// Everything of one kind that a source has.
#[derive(Debug, Clone)]
pub enum Listing {
    /// Its images.
    Images(HashSet<Digest>),
    /// Its repositories; of an OpenShift cluster its image streams, as `namespace/name`.
    Repositories(HashSet<String>),
    /// Its BuildConfigs, as `namespace/name`.
    BuildConfigs(HashSet<String>),
    /// Every class that is declared: where the source is, is where all of them are.
    Classes(HashSet<String>),
    /// Every group that is declared.
    Groups(HashSet<String>),
}
