//! Resolves a REF of the command line: a tag, a digest, an image ID, the beginning of either, or a chain ID.

use std::collections::{BTreeMap, BTreeSet};

use super::Query;
use crate::index::NodeId;
use crate::oci::{ChainId, Digest, Reference};
use crate::shard::{Shard, Tag};

/// The result of resolving a REF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Images: one for a digest, or one per platform for a tag or an image index.
    Images(Vec<Digest>),
    /// A chain. It ends at or inside the segment above this node of a shard.
    Chain {
        /// The number of the partition.
        partition: usize,
        /// The shallowest node at or below the chain.
        node: NodeId,
        /// The number of layers in the chain.
        depth: u32,
    },
}

impl Resolved {
    /// A text that stays the same as long as a REF means the same.
    pub fn anchor(&self) -> String {
        match self {
            Self::Images(images) => {
                let parts = images.iter().map(|image| &image.as_bytes()[..]);
                Digest::of_parts(parts).short()
            }
            // A chain ID always means the same chain.
            Self::Chain { .. } => "chain".to_owned(),
        }
    }
}

/// An error of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// No object has this name.
    #[error(
        "{reference:?} not found: no tag, digest, image ID, beginning of a digest or chain ID is called so{}",
        hint(*.is_short, meant)
    )]
    NotFound {
        /// The name.
        reference: String,
        /// It may be the beginning of a digest, with too few digits.
        is_short: bool,
        /// The tags that may have been meant.
        meant: Vec<String>,
    },
    /// Several images have digests with this beginning.
    #[error("{reference:?} is the beginning of several digests: {}", .digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// The REF.
        reference: String,
        /// Some of the matching digests.
        digests: Vec<Digest>,
    },
    /// The REF names several images, and one is asked for.
    #[error(
        "{reference:?} names {count} images: ask for one of them, as {}",
        .digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    )]
    Several {
        /// The REF.
        reference: String,
        /// The number of images.
        count: usize,
        /// Some of them.
        digests: Vec<Digest>,
    },
    /// The list was of other images when it began.
    #[error("{reference:?} names other images than when this list began: ask for the first page again")]
    Moved {
        /// The REF.
        reference: String,
    },
    /// No class has this name.
    #[error("class {name:?} not found;{} `clade get classes` lists them", did_you_mean(meant))]
    NoClass {
        /// The name.
        name: String,
        /// Names that may have been meant.
        meant: Vec<String>,
    },
    /// No group has this name.
    #[error("group {name:?} not found;{} `clade get groups` lists them", did_you_mean(meant))]
    NoGroup {
        /// The name.
        name: String,
        /// Names that may have been meant.
        meant: Vec<String>,
    },
    /// No policy has this name.
    #[error("policy {name:?} not found;{} `clade get policies` lists them", did_you_mean(meant))]
    NoPolicy {
        /// The name.
        name: String,
        /// Names that may have been meant.
        meant: Vec<String>,
    },
    /// The group does not have this class.
    #[error("class {class:?} is not in group {group:?}; {}", in_it(classes))]
    NotInGroup {
        /// The group.
        group: String,
        /// The class.
        class: String,
        /// The classes that are in it.
        classes: Vec<String>,
    },
    /// The question itself is wrong.
    #[error("{0}")]
    Invalid(String),
}

impl RefError {
    /// The names that may have been meant, or the digests that the REF is the beginning of.
    pub fn suggestions(&self) -> Vec<String> {
        match self {
            Self::NotFound { meant, .. }
            | Self::NoClass { meant, .. }
            | Self::NoGroup { meant, .. }
            | Self::NoPolicy { meant, .. } => meant.clone(),
            Self::NotInGroup { classes, .. } => classes.clone(),
            Self::Ambiguous { digests, .. } | Self::Several { digests, .. } => {
                digests.iter().map(ToString::to_string).collect()
            }
            Self::Moved { .. } | Self::Invalid(_) => Vec::new(),
        }
    }
}

fn hint(is_short: bool, meant: &[String]) -> String {
    if is_short {
        return format!("; the beginning of a digest needs at least {SHORTEST_PREFIX} digits");
    }
    let quoted: Vec<String> = meant.iter().map(|name| format!("{name:?}")).collect();
    if quoted.is_empty() { String::new() } else { format!("; did you mean {}?", quoted.join(" or ")) }
}

fn did_you_mean(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if quoted.is_empty() { String::new() } else { format!(" did you mean {}?", quoted.join(" or ")) }
}

fn in_it(classes: &[String]) -> String {
    if classes.is_empty() { "no class is".to_owned() } else { format!("in it are {}", classes.join(", ")) }
}

/// Images or image IDs that an ambiguous beginning is told of, at most.
pub(super) const MOST_NAMED: usize = 5;
/// Fewer digits would match by chance in any larger registry.
pub(super) const SHORTEST_PREFIX: usize = 4;

impl Query {
    /// Resolves `reference`. If nothing is called so, the error says what may have been meant.
    pub fn resolve(&self, reference: &str) -> Result<Resolved, RefError> {
        self.find(reference).map_err(|error| match error {
            RefError::NotFound { reference, .. } => self.no_object(reference),
            error => error,
        })
    }

    fn find(&self, reference: &str) -> Result<Resolved, RefError> {
        match self.images_called(reference) {
            Err(RefError::NotFound { .. }) => {
                let chain = digest_in(reference).and_then(|digest| self.find_chain(digest));
                chain.ok_or_else(|| not_found(reference))
            }
            found => found.map(Resolved::Images),
        }
    }

    /// The images that a REF names. A chain ID names none: to find one takes a walk through the whole index.
    pub(super) fn images_called(&self, reference: &str) -> Result<Vec<Digest>, RefError> {
        if let Some(digest) = digest_in(reference) {
            return self.of_digest(digest).ok_or_else(|| not_found(reference));
        }
        match self.resolve_tag(reference) {
            Some(images) => Ok(images),
            None => self.resolve_prefix(reference),
        }
    }

    /// The images that a claim names by tag or digest, if they are known.
    pub(super) fn known_images(&self, reference: &str) -> Vec<Digest> {
        self.images_called(reference).unwrap_or_default()
    }

    /// The images that `reference` names. A chain stands for the images whose last chain it is.
    pub fn images(&self, reference: &str) -> Result<Vec<Digest>, RefError> {
        match self.resolve(reference)? {
            Resolved::Images(images) => Ok(images),
            Resolved::Chain { .. } => Err(RefError::Invalid(format!(
                "{reference:?} is a chain ID: name an image here; `clade descendants` lists those that contain it"
            ))),
        }
    }

    fn of_digest(&self, digest: Digest) -> Option<Vec<Digest>> {
        if self.holding(&digest).is_some() {
            return Some(vec![digest]);
        }
        let of_tags = self.shards().flat_map(|shard| shard.tags_of(&digest));
        let of_tags = of_tags.flat_map(|tag| tag.images.iter().map(|image| image.digest));
        let images: BTreeSet<Digest> = of_tags
            .chain(self.images_of_left_index(&digest))
            .filter(|image| self.holding(image).is_some())
            .collect();
        if !images.is_empty() {
            return Some(images.into_iter().collect());
        }
        let image_id = digest.hex();
        let mut images: Vec<Digest> = self.shards().flat_map(|shard| called(shard, &image_id)).collect();
        images.sort_unstable();
        (!images.is_empty()).then_some(images)
    }

    /// The images of an image index that a tag has left.
    pub(super) fn images_of_left_index(&self, index: &Digest) -> impl Iterator<Item = Digest> {
        self.shards().flat_map(|shard| shard.images_of_left_index(index)).copied()
    }

    pub(super) fn find_chain(&self, chain: Digest) -> Option<Resolved> {
        self.shards().enumerate().find_map(|(partition, shard)| {
            let position = shard.index().find_chain(&ChainId::from(chain))?;
            Some(Resolved::Chain { partition, node: position.node, depth: position.depth })
        })
    }

    fn resolve_tag(&self, name: &str) -> Option<Vec<Digest>> {
        let tag = self.find_tag(name, |_| true)?;
        let known: Vec<Digest> = tag.targets().filter(|image| self.holding(image).is_some()).collect();
        (!known.is_empty()).then_some(known)
    }

    /// The tag that this name means, in any spelling, among those that count; without a tag it means `latest`.
    pub(super) fn find_tag(&self, name: &str, counts: impl Fn(&Tag) -> bool) -> Option<&Tag> {
        let latest = Reference::tag_name(name, "latest");
        let called =
            |name: &str| self.shards().filter_map(|shard| shard.tag(name)).max_by_key(|tag| tag.sequence);
        let mut spellings = [name, &latest].into_iter().flat_map(Reference::spellings);
        // The registry of a cluster has the tags of its image streams.
        let of_stream = |name: &str| {
            let (registry, name) = name.split_once('/')?;
            called(name).filter(|tag| tag.stream.is_in(registry))
        };
        spellings
            .find_map(|name| called(&name).filter(|tag| counts(tag)))
            .or_else(|| [name, &latest].into_iter().find_map(of_stream))
            .map(AsRef::as_ref)
    }

    fn resolve_prefix(&self, reference: &str) -> Result<Vec<Digest>, RefError> {
        let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
        let is_prefix = (SHORTEST_PREFIX..=64).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
        if !is_prefix {
            return Err(not_found(reference));
        }
        let mut digests: Vec<Digest> = self
            .shards()
            .flat_map(|shard| {
                shard.beginning_with(digits).take(MOST_NAMED).map(|id| *shard.index().digest(id))
            })
            .collect();
        digests.sort_unstable();
        match digests[..] {
            [] => self.resolve_image_id(reference, digits),
            [digest] => Ok(vec![digest]),
            _ => {
                digests.truncate(MOST_NAMED);
                Err(RefError::Ambiguous { reference: reference.to_owned(), digests })
            }
        }
    }

    /// The images whose image ID begins so, which is what `docker images` shows. Several images may have one ID.
    fn resolve_image_id(&self, reference: &str, digits: &str) -> Result<Vec<Digest>, RefError> {
        let mut called: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for shard in self.shards() {
            for image in shard.called(digits).map(|id| shard.view(id)) {
                called.entry(image.config.unwrap_or(image.digest)).or_default().push(image.digest);
            }
        }
        let mut ids = called.into_iter();
        match (ids.next(), ids.next()) {
            (None, _) => Err(not_found(reference)),
            (Some((_, mut images)), None) => {
                images.sort_unstable();
                Ok(images)
            }
            (Some((first, _)), Some((second, _))) => {
                let digests =
                    [first, second].into_iter().chain(ids.map(|(id, _)| id)).take(MOST_NAMED).collect();
                Err(RefError::Ambiguous { reference: reference.to_owned(), digests })
            }
        }
    }
}

/// The digest that a REF is or ends with.
fn digest_in(reference: &str) -> Option<Digest> {
    let after_name = || reference.split_once('@').map(|(_, digest)| digest);
    reference.parse().ok().or_else(|| after_name()?.parse().ok())
}

/// The images whose image ID begins so.
pub(super) fn called<'a>(shard: &'a Shard, digits: &'a str) -> impl Iterator<Item = Digest> + 'a {
    shard.called(digits).map(|id| *shard.index().digest(id))
}

fn not_found(reference: &str) -> RefError {
    RefError::NotFound { reference: reference.to_owned(), is_short: false, meant: Vec::new() }
}
