//! Reads a shard.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::{Kind, Shard};
use crate::class::{Classification, Count};
use crate::index::{ImageId, NodeId};
use crate::oci::{Digest, Platform, Timestamp};
use crate::record::{Claim, Membership, Origin, State};

/// One image as readers see it.
#[derive(Debug, Clone)]
pub struct ImageView<'a> {
    /// The number in the shard's index.
    pub id: ImageId,
    /// The digest.
    pub digest: Digest,
    /// The platform.
    pub platform: Arc<Platform>,
    /// The image ID: the digest of the config, if it is known.
    pub config: Option<Digest>,
    /// The time of the build, if it is known.
    pub created: Option<Timestamp>,
    /// The size of the layers as stored, in bytes, if it is known.
    pub size: Option<u64>,
    /// The repositories that contain the image, sorted.
    pub repositories: Arc<Vec<String>>,
    /// The node in the chain index; `None` for an image without layers.
    pub node: Option<NodeId>,
    /// The number of non-empty layers.
    pub layers: u32,
    /// The classification; `None` if the image is in no class.
    pub classification: Option<&'a Arc<Classification>>,
    /// The claims about the base.
    pub claims: &'a [Claim],
}

impl Shard {
    /// The image with this digest.
    pub fn image(&self, digest: &Digest) -> Option<ImageView<'_>> {
        self.index.image(digest).map(|id| self.view(id))
    }

    /// Returns `true` if the image contains a version of the class that more than a claim names.
    pub fn has_proven_version(&self, image: &ImageView<'_>, class: &str) -> bool {
        let Some(class) = self.catalog.class(class) else { return false };
        let nodes =
            image.node.into_iter().flat_map(|node| std::iter::once(node).chain(self.index.ancestors(node)));
        let is_proven =
            |number| class.version(number).is_some_and(|version| version.origin != Origin::Claimed);
        nodes
            .flat_map(|node| self.marks.at(node))
            .any(|mark| mark.class == class.record.name && is_proven(mark.version))
    }

    /// All images of the shard.
    pub fn images(&self) -> impl Iterator<Item = ImageView<'_>> {
        self.index.images().map(|id| self.view(id))
    }

    /// The image with this number.
    pub fn view(&self, id: ImageId) -> ImageView<'_> {
        let row = self.rows[id.index()];
        let node = self.index.node(id);
        ImageView {
            id,
            digest: *self.index.digest(id),
            platform: self.platforms.get(row.platform).cloned().unwrap_or_default(),
            config: row.config,
            created: row.created,
            size: row.size.map(NonZeroU64::get),
            repositories: self.repositories.get(row.repositories).cloned().unwrap_or_default(),
            node,
            layers: node.map_or(0, |node| self.index.depth(node)),
            classification: row.classification.and_then(|number| self.classifications.get(number)),
            claims: self.claims.get(&id).map_or(&[], |claims| claims),
        }
    }

    /// The kind of an image.
    pub fn kind(&self, id: ImageId) -> Kind {
        self.rows[id.index()].kind()
    }

    /// The classification of the images of a kind, if they have one, and their platform.
    pub fn of(&self, kind: Kind) -> (Option<&Classification>, Option<&Platform>) {
        let classification = kind.classification.and_then(|number| self.classifications.get(number));
        (classification.map(|of| &**of), self.platforms.get(kind.platform).map(|of| &**of))
    }

    /// The time since which an image of this platform is outdated with this membership, or the earliest time at which it
    /// is known to have been; `None` if it is not.
    pub fn outdated_since(&self, member: &Membership, platform: &Platform) -> Option<Timestamp> {
        if member.state != State::Outdated {
            return None;
        }
        Some(self.catalog.class(&member.name)?.replaced(&member.version, platform)?.outdated_since)
    }

    /// The repositories that contain an image, sorted.
    pub fn repositories_of(&self, id: ImageId) -> &[String] {
        self.repositories.get(self.rows[id.index()].repositories).map_or(&[], |names| names.as_slice())
    }

    /// The size of an image's layers as stored, in bytes, if it is known.
    pub fn size(&self, id: ImageId) -> Option<u64> {
        self.rows[id.index()].size.map(NonZeroU64::get)
    }

    /// The time of an image's build, if it is known.
    pub fn created(&self, id: ImageId) -> Option<Timestamp> {
        self.rows[id.index()].created
    }

    /// Returns `true` if a version of a class ends at this node.
    pub fn is_version(&self, node: NodeId) -> bool {
        self.marks.is_marked(node)
    }

    /// The classes with a version that ends at this node, by name.
    pub fn classes_at(&self, node: NodeId) -> Vec<String> {
        let mut names: Vec<String> = self.marks.at(node).iter().map(|mark| mark.class.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Calls `tell` with a membership and the number of images that have it; the counts of one class add up, and so do those of one version. It examines each distinct
    /// classification once, of which there are few, and no image. Call it between a drain and the next change.
    pub fn count_members(&self, mut tell: impl FnMut(&Membership, Count)) {
        for (classification, images) in self.classifications.users() {
            for member in &*classification.classes {
                let mut count = Count::default();
                count.add_many(member.state, u64::from(images));
                tell(member, count);
            }
        }
    }
}
