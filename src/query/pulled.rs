//! Resolves the images that a node pulls or runs (docs/concepts.md, section 8): by the digest of a manifest, else by the digest
//! of an index and the platform of the node, else by image ID; and a tag by its present target.

use std::collections::BTreeSet;

use super::Query;
use super::reference::called;
use crate::oci::reference::has_host;
use crate::oci::{Digest, Platform, Reference};
use crate::shard::Tag;

/// The images that a name or a digest leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pulled {
    /// Those that clade knows.
    pub(super) known: Vec<Digest>,
    /// Those that clade has not seen.
    pub(super) unseen: Vec<Digest>,
}

impl Query {
    /// The images behind a digest that a registry serves, on nodes that may run them: an image, or those of an image index that
    /// a tag points at, or has left. `is_node_known` says that `may_run` knows the platform of the node.
    pub(super) fn pulled_by_digest(
        &self,
        digest: Digest,
        may_run: impl Fn(&Platform) -> bool,
        is_node_known: bool,
    ) -> Pulled {
        if self.holding(&digest).is_some() {
            return Pulled { known: vec![digest], unseen: Vec::new() };
        }
        let tags = self.shards().flat_map(|shard| shard.tags_of(&digest)).filter(|tag| tag.digest == digest);
        let images: BTreeSet<(Digest, Option<Platform>)> = tags
            .flat_map(|tag| tag.images.iter().map(|image| (image.digest, image.platform.clone())))
            .collect();
        if images.is_empty() {
            return self.pulled_by_left_index(digest, may_run, is_node_known);
        }
        self.pulled(images, may_run)
    }

    /// The images of an image index that a tag has left. Their platforms are those of the images that clade knows: one that it
    /// does not know may be the one that runs, unless the platform of the node is known and has an image.
    fn pulled_by_left_index(
        &self,
        digest: Digest,
        may_run: impl Fn(&Platform) -> bool,
        is_node_known: bool,
    ) -> Pulled {
        let left: BTreeSet<Digest> = self.images_of_left_index(&digest).collect();
        let Pulled { known, unseen } = self.pulled(left.into_iter().map(|image| (image, None)), may_run);
        let unseen = match (known.is_empty(), is_node_known) {
            (true, _) => vec![digest],
            (false, true) => Vec::new(),
            (false, false) => unseen,
        };
        Pulled { known, unseen }
    }

    /// The images whose config has this digest.
    pub(super) fn pulled_by_image_id(&self, id: Digest) -> Pulled {
        let hex = id.hex();
        let mut known: Vec<Digest> = self.shards().flat_map(|shard| called(shard, &hex)).collect();
        known.sort_unstable();
        let unseen = if known.is_empty() { vec![id] } else { Vec::new() };
        Pulled { known, unseen }
    }

    /// The images of a tag.
    pub(super) fn pulled_by_tag(&self, tag: &Tag, may_run: impl Fn(&Platform) -> bool) -> Pulled {
        let stated = tag.images.iter().map(|image| (image.digest, image.platform.clone()));
        let alone = tag.images.is_empty().then_some((tag.digest, None));
        self.pulled(stated.chain(alone), may_run)
    }

    /// The tag that a pod means by a name. A name without a registry means Docker Hub, and never an image stream.
    pub(super) fn pulled_tag(&self, reference: &Reference) -> Option<&Tag> {
        let tag = reference.tag.as_deref().unwrap_or("latest");
        let counts = |of: &Tag| has_host(&reference.repository) || of.stream.registries.is_empty();
        self.find_tag(&Reference::tag_name(&reference.repository, tag), counts)
    }

    fn pulled(
        &self,
        images: impl IntoIterator<Item = (Digest, Option<Platform>)>,
        may_run: impl Fn(&Platform) -> bool,
    ) -> Pulled {
        let mut pulled = Pulled::default();
        for (digest, stated) in images {
            let known = self.holding(&digest).and_then(|shard| shard.image(&digest));
            let platform = known.as_ref().map(|image| (*image.platform).clone()).or(stated);
            if platform.is_some_and(|platform| !may_run(&platform)) {
                continue;
            }
            if known.is_some() { &mut pulled.known } else { &mut pulled.unseen }.push(digest);
        }
        pulled
    }
}
