//! What a REF on the command line means: a tag, a digest, the beginning of a digest, or a chain ID.

use std::collections::BTreeSet;

use super::Query;
use crate::index::NodeId;
use crate::oci::{ChainId, Digest, Reference};

/// What a REF was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Images: one by its digest, or each platform's of a tag or image index.
    Images(Vec<Digest>),
    /// A chain: in the shard of this number, ending at or inside the segment above this node, after so many layers.
    Chain {
        /// Number of the partition.
        partition: usize,
        /// The shallowest node at or below the chain.
        node: NodeId,
        /// Layers in the chain.
        depth: u32,
    },
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// Nothing has this name.
    #[error("{0:?} not found: no tag, digest, beginning of a digest or chain ID is called so")]
    NotFound(String),
    /// Several images have digests that begin so.
    #[error("{reference:?} is the beginning of several digests: {}", .digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// What was asked.
        reference: String,
        /// Some of those it could be.
        digests: Vec<Digest>,
    },
    /// No class has this name.
    #[error("class {0:?} not found; `clade get classes` lists them")]
    NoClass(String),
    /// No group has this name.
    #[error("group {0:?} not found; `clade get groups` lists them")]
    NoGroup(String),
    /// The question itself is wrong.
    #[error("{0}")]
    Invalid(String),
}

/// Fewer digits would match by chance in any larger registry.
const SHORTEST_PREFIX: usize = 4;

impl Query {
    /// What `reference` means.
    pub fn resolve(&self, reference: &str) -> Result<Resolved, RefError> {
        if let Ok(digest) = reference.parse::<Digest>() {
            return self.resolve_digest(digest).ok_or_else(|| RefError::NotFound(reference.to_owned()));
        }
        if let Some((_, digest)) = reference.split_once('@')
            && let Ok(digest) = digest.parse::<Digest>()
        {
            return self.resolve_digest(digest).ok_or_else(|| RefError::NotFound(reference.to_owned()));
        }
        if let Some(images) = self.resolve_tag(reference) {
            return Ok(Resolved::Images(images));
        }
        self.resolve_prefix(reference)
    }

    /// The images that `reference` means; a chain stands for the images that end with it.
    pub fn images(&self, reference: &str) -> Result<Vec<Digest>, RefError> {
        match self.resolve(reference)? {
            Resolved::Images(images) => Ok(images),
            Resolved::Chain { .. } => Err(RefError::Invalid(format!(
                "{reference:?} is a chain ID: name an image here; `clade descendants` lists those that contain it"
            ))),
        }
    }

    fn resolve_digest(&self, digest: Digest) -> Option<Resolved> {
        if self.holding(&digest).is_some() {
            return Some(Resolved::Images(vec![digest]));
        }
        let images: BTreeSet<Digest> = self
            .shards()
            .flat_map(|shard| shard.tags_of(&digest))
            .flat_map(|tag| tag.images.iter().map(|image| image.digest))
            .filter(|image| self.holding(image).is_some())
            .collect();
        if !images.is_empty() {
            return Some(Resolved::Images(images.into_iter().collect()));
        }
        self.shards().enumerate().find_map(|(partition, shard)| {
            let position = shard.index().find_chain(&ChainId::from(digest))?;
            Some(Resolved::Chain { partition, node: position.node, depth: position.depth })
        })
    }

    fn resolve_tag(&self, name: &str) -> Option<Vec<Digest>> {
        let latest = Reference::tag_name(name, "latest");
        let called =
            |name: &str| self.shards().filter_map(|shard| shard.tag(name)).max_by_key(|tag| tag.sequence);
        let mut spellings = [name, &latest].into_iter().flat_map(Reference::spellings);
        // The registry of a cluster has the tags of its image streams.
        let of_stream = |name: &str| {
            let (registry, name) = name.split_once('/')?;
            called(name).filter(|tag| tag.stream.is_in(registry))
        };
        let tag = spellings
            .find_map(|name| called(&name))
            .or_else(|| [name, &latest].into_iter().find_map(of_stream))?;
        let alone = [tag.digest];
        let images: Vec<Digest> = if tag.images.is_empty() {
            alone.to_vec()
        } else {
            tag.images.iter().map(|image| image.digest).collect()
        };
        let known: Vec<Digest> = images.into_iter().filter(|image| self.holding(image).is_some()).collect();
        (!known.is_empty()).then_some(known)
    }

    fn resolve_prefix(&self, reference: &str) -> Result<Resolved, RefError> {
        let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
        let is_prefix = (SHORTEST_PREFIX..=64).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
        if !is_prefix {
            return Err(RefError::NotFound(reference.to_owned()));
        }
        let mut digests: Vec<Digest> = self
            .shards()
            .flat_map(|shard| {
                shard.index().prefixed(digits, 5).into_iter().map(|id| *shard.index().digest(id))
            })
            .collect();
        digests.sort_unstable();
        match digests[..] {
            [] => Err(RefError::NotFound(reference.to_owned())),
            [digest] => Ok(Resolved::Images(vec![digest])),
            _ => Err(RefError::Ambiguous { reference: reference.to_owned(), digests }),
        }
    }

    pub(super) fn require_class(&self, name: &str) -> Result<(), RefError> {
        let found = self.shards().any(|shard| shard.catalog().class(name).is_some());
        if found { Ok(()) } else { Err(RefError::NoClass(name.to_owned())) }
    }

    pub(super) fn require_group(&self, name: &str) -> Result<(), RefError> {
        let found = self.shards().any(|shard| shard.catalog().group(name).is_some());
        if found { Ok(()) } else { Err(RefError::NoGroup(name.to_owned())) }
    }
}
