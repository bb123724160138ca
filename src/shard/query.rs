//! Reads a shard.

use std::sync::Arc;

use super::Shard;
use crate::class::{Classification, Count};
use crate::index::{ImageId, NodeId};
use crate::oci::{Digest, Platform};
use crate::record::Claim;

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

    /// All images of the shard.
    pub fn images(&self) -> impl Iterator<Item = ImageView<'_>> {
        self.index.images().map(|id| self.view(id))
    }

    /// The images with this image ID.
    pub fn with_config<'a>(&'a self, config: &'a Digest) -> impl Iterator<Item = ImageView<'a>> + 'a {
        let images = self.index.images();
        images.filter(|id| self.rows[id.index()].config.as_ref() == Some(config)).map(|id| self.view(id))
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
            repositories: self.repositories.get(row.repositories).cloned().unwrap_or_default(),
            node,
            layers: node.map_or(0, |node| self.index.depth(node)),
            classification: row.classification.and_then(|number| self.classifications.get(number)),
            claims: self.claims.get(&id).map_or(&[], |claims| claims),
        }
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

    /// Calls `tell` with counts of the members of each class; the counts of one class add up. It examines each distinct
    /// classification once, of which there are few, and no image. Call it between a drain and the next change.
    pub fn count_members(&self, mut tell: impl FnMut(&str, Count)) {
        for (classification, images) in self.classifications.users() {
            for member in &*classification.classes {
                let mut count = Count::default();
                count.add_many(member.state, u64::from(images));
                tell(&member.name, count);
            }
        }
    }

    /// The members of a class in this shard: the images below any of its version chains, each once.
    pub fn members<'a>(&'a self, class: &'a str) -> impl Iterator<Item = ImageView<'a>> + 'a {
        let nodes: std::collections::BTreeSet<NodeId> =
            self.marks.of_class(class).map(|(_, node)| node).collect();
        let roots: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|node| !self.index.ancestors(*node).any(|above| nodes.contains(&above)))
            .collect();
        roots.into_iter().flat_map(|node| self.index.subtree_images(node)).map(|id| self.view(id))
    }
}
