//! Putting images in.

use super::node::{Node, Slot, VACANT};
use super::segments::CHUNK;
use super::{ChainIndex, ImageId, NONE, root};
use crate::oci::{Digest, LayerChain, LayerIdentity};

/// The most layers that an image can have. Registries and runtimes stop at 127.
pub const MAX_LAYERS: usize = CHUNK;

/// Why an image or a chain could not be put in. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It has more layers than [`MAX_LAYERS`].
    #[error("{0} layers are more than the {MAX_LAYERS} that an image can have")]
    TooManyLayers(usize),
    /// The numbers of nodes, images or layers are used up.
    #[error(
        "the index is full: a shard can hold 4,294,967,293 nodes, images and layers; use more partitions"
    )]
    Full,
}

/// What putting an image in came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The image's number. An image that was there keeps it.
    pub image: ImageId,
    /// What happened.
    pub change: Change,
}

/// What happened to an image that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there with other layers.
    Moved,
    /// It was there with the same layers.
    Unchanged,
}

impl ChainIndex {
    /// Puts an image in, or gives one that is there other layers.
    pub fn insert(&mut self, image: Digest, chain: &LayerChain) -> Result<Inserted, IndexError> {
        self.insert_layers(image, chain.identity(), chain.layers())
    }

    /// Puts an image in by its non-empty layers, base first.
    pub fn insert_layers(
        &mut self,
        digest: Digest,
        identity: LayerIdentity,
        layers: &[Digest],
    ) -> Result<Inserted, IndexError> {
        self.make_room();
        let known = self.image(&digest);
        if known.is_none() && self.slots.len() >= VACANT && self.free_images.is_empty() {
            return Err(IndexError::Full);
        }
        let node = if layers.is_empty() { NONE } else { self.reach(identity, layers)? };
        let Some(image) = known else {
            let image = self.new_image(digest);
            self.seat(image, node);
            return Ok(Inserted { image: ImageId(image), change: Change::Added });
        };
        let before = self.slots[image.0].node;
        if before == node {
            return Ok(Inserted { image, change: Change::Unchanged });
        }
        // Seated at its new place first: its old one may be on the way there, and must not be pruned under it.
        self.unseat(image.0);
        self.seat(image.0, node);
        if before != NONE {
            self.prune(before);
        }
        Ok(Inserted { image, change: Change::Moved })
    }

    fn new_image(&mut self, digest: Digest) -> u32 {
        let slot = Slot { node: NONE, next: NONE, prev: NONE };
        let image = match self.free_images.pop() {
            Some(image) => {
                self.digests[image] = digest;
                self.slots[image] = slot;
                image
            }
            None => {
                self.digests.push(digest);
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.enter_image(image);
        image
    }

    /// Puts an image, which sits nowhere, at a node.
    fn seat(&mut self, image: u32, node: u32) {
        if node == NONE {
            self.slots[image] = Slot { node, next: NONE, prev: NONE };
            return;
        }
        let next = std::mem::replace(&mut self.nodes[node].first_image, image);
        self.slots[image] = Slot { node, next, prev: NONE };
        if next != NONE {
            self.slots[next].prev = image;
        }
        let mut at = node;
        while at != NONE {
            self.nodes[at].count += 1;
            at = self.nodes[at].parent;
        }
    }

    /// The node where these layers end; made if there is none.
    pub(super) fn reach(&mut self, identity: LayerIdentity, layers: &[Digest]) -> Result<u32, IndexError> {
        if layers.len() > MAX_LAYERS {
            return Err(IndexError::TooManyLayers(layers.len()));
        }
        // At most two nodes and one segment are made.
        if self.nodes.len() >= VACANT - 2 || !self.segments.has_room() {
            return Err(IndexError::Full);
        }
        let (mut at, mut rest) = (root(identity), layers);
        while let Some(first) = rest.first() {
            let Some(child) = self.child(at, first) else { return Ok(self.grow(at, rest)) };
            let segment = self.segment(child);
            let common = segment.iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if common == segment.len() { child } else { self.divide(child, common) };
            rest = &rest[common..];
        }
        Ok(at)
    }

    /// A new leaf below `parent`.
    fn grow(&mut self, parent: u32, layers: &[Digest]) -> u32 {
        let len = u16::try_from(layers.len()).unwrap_or(u16::MAX);
        let depth = self.nodes[parent].depth + len;
        let segment = self.segments.put(layers);
        let node = self.new_node(Node { parent, segment, len, depth, ..Node::root() });
        self.adopt(node);
        node
    }

    /// Makes a node inside the segment of `lower`, after `layers` of it. `lower` keeps its number and its end.
    fn divide(&mut self, lower: u32, layers: usize) -> u32 {
        let len = u16::try_from(layers).unwrap_or(u16::MAX);
        self.leave(lower);
        let before = self.nodes[lower];
        let family = self.families.found(lower);
        let upper = self.new_node(Node {
            segment: before.segment,
            len,
            depth: before.depth - before.len + len,
            count: before.count,
            family,
            ..Node::root()
        });
        self.replace_in_list(lower, upper);
        let node = &mut self.nodes[lower];
        node.parent = upper;
        node.position = 0;
        node.segment += u32::from(len);
        node.len -= len;
        self.enter(upper);
        self.enter(lower);
        upper
    }

    fn new_node(&mut self, node: Node) -> u32 {
        match self.free_nodes.pop() {
            Some(number) => {
                self.nodes[number] = node;
                number
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        }
    }
}
