//! Inserts images into the index.

use super::node::{Node, Slot, VACANT};
use super::segments::CHUNK;
use super::{ChainIndex, ImageId, NONE, root};
use crate::oci::{Digest, LayerChain, LayerIdentity};

/// Layers that an image can have, at most. Registries and runtimes stop at 127.
pub const MAX_LAYERS: usize = CHUNK;

/// An error of an insert. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The image has more layers than [`MAX_LAYERS`].
    #[error("{0} layers are more than the {MAX_LAYERS} that an image can have")]
    TooManyLayers(usize),
    /// The numbers of nodes, images or layers are used up.
    #[error(
        "the index is full: a shard can hold 4,294,967,293 nodes, images and layers; use more partitions"
    )]
    Full,
}

/// The result of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The number of the image. An existing image keeps its number.
    pub image: ImageId,
    /// The change.
    pub change: Change,
}

/// The change that an insert made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The image is new.
    Added,
    /// The image existed with other layers.
    Moved,
    /// The image existed with the same layers.
    Unchanged,
}

impl ChainIndex {
    /// Inserts an image, or gives an existing one other layers.
    pub fn insert(&mut self, image: Digest, chain: &LayerChain) -> Result<Inserted, IndexError> {
        self.insert_layers(image, chain.identity(), chain.layers())
    }

    /// Inserts an image by its non-empty layers, base first.
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
        // The image is seated at its new place first: its old place may be on the way there, and must not be pruned
        // under it.
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

    /// Seats an image, which has no place, at a node.
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

    /// Returns the node where these layers end, and creates it if there is none.
    pub(super) fn reach(&mut self, identity: LayerIdentity, layers: &[Digest]) -> Result<u32, IndexError> {
        if layers.len() > MAX_LAYERS {
            return Err(IndexError::TooManyLayers(layers.len()));
        }
        // At most two nodes and one segment are created.
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

    /// Creates a leaf below `parent`.
    fn grow(&mut self, parent: u32, layers: &[Digest]) -> u32 {
        let len = u16::try_from(layers.len()).unwrap_or(u16::MAX);
        let depth = self.nodes[parent].depth + len;
        let segment = self.segments.put(layers);
        let node = self.new_node(Node { parent, segment, len, depth, ..Node::root() });
        self.adopt(node);
        node
    }

    /// Creates a node inside the segment of `lower`, after `layers` of it. `lower` keeps its number and its end.
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
