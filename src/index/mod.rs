//! The chain index of one shard: finds the images that are built on an image. Pure: no I/O, no clock, no threads.
//!
//! ```text
//!   base@v1 = [A,B,C]   base@v2 = [A,B,C,D]   app = [A,B,C,E,F]   base@v3 = [A,X]
//!
//!                       (A)                        a node is where a chain ends or divides;
//!                      /   \                       the layers on the way to it from its parent
//!        base@v1 ── (B,C)  (X) ── base@v3          lie side by side in one pool: its segment
//!                   /   \
//!     base@v2 ── (D)    (E,F) ── app
//! ```
//!
//! A compressed prefix tree (radix tree) over layers. An image sits at the node of its last layer. Images with the same
//! layers sit at one node, and the images that are based on an image sit below it. Layers identified by blob digest and
//! layers identified by diff ID have a root each, so the two never meet in one chain.
//!
//! This module has both indexes of the proposal: `LastChainIndex` is [`ChainIndex::images_at`], `ChainIndex` is
//! [`ChainIndex::subtree_images`]. Chain IDs are not stored: layers suffice.
//!
//! Node numbers stay valid while the index grows and shrinks around them (a divided node keeps its end and its
//! number); only [`ChainIndex::settle`] gives new ones.

mod children;
mod families;
mod find;
mod insert;
#[cfg(feature = "internals")]
mod memory;
mod node;
mod pool;
mod remove;
mod segments;
mod settle;
mod walk;

use std::collections::HashMap;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

pub use find::Position;
pub use insert::{Change, IndexError, Inserted, MAX_LAYERS};
#[cfg(feature = "internals")]
pub use memory::MemoryUse;
pub use settle::Renumbering;

use crate::oci::{Digest, LayerChain, LayerIdentity};
use families::Families;
use node::{NONE, Node, Slot, VACANT};
use pool::Pool;
use segments::Segments;

/// The number of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// The number of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(u32);

impl ImageId {
    /// No image has a lower number.
    pub const FIRST: Self = Self(0);
    /// No image has a higher number.
    pub const LAST: Self = Self(u32::MAX);

    /// The number as an index into columns that the caller keeps.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Images by their chains.
#[derive(Debug, Clone)]
pub struct ChainIndex {
    nodes: Pool<Node>,
    free_nodes: Vec<u32>,
    families: Families,
    segments: Segments,
    /// Children by parent and first layer. Strangers can choose digests, so the hash is seeded.
    children: HashTable<u32>,
    digests: Pool<Digest>,
    slots: Pool<Slot>,
    free_images: Vec<u32>,
    directory: HashTable<u32>,
    hasher: RandomState,
    /// The number of pins of each pinned node.
    pins: HashMap<u32, u32>,
}

impl Default for ChainIndex {
    fn default() -> Self {
        let mut nodes = Pool::default();
        for _ in ROOTS {
            nodes.push(Node::root());
        }
        Self {
            nodes,
            free_nodes: Vec::new(),
            families: Families::default(),
            segments: Segments::default(),
            children: HashTable::new(),
            digests: Pool::default(),
            slots: Pool::default(),
            free_images: Vec::new(),
            directory: HashTable::new(),
            hasher: RandomState::default(),
            pins: HashMap::new(),
        }
    }
}

/// The roots by layer identity; they hold no image and have no number outside.
const ROOTS: [LayerIdentity; 2] = [LayerIdentity::Blob, LayerIdentity::DiffId];

fn root(identity: LayerIdentity) -> u32 {
    match identity {
        LayerIdentity::Blob => 0,
        LayerIdentity::DiffId => 1,
    }
}

fn is_root(node: u32) -> bool {
    (node as usize) < ROOTS.len()
}

impl ChainIndex {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.directory.len()
    }

    /// Returns `true` if there is no image.
    #[cfg(feature = "internals")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The image with this digest.
    pub fn image(&self, digest: &Digest) -> Option<ImageId> {
        let hash = self.hash_digest(digest);
        self.directory.find(hash, |image| self.digests[*image] == *digest).copied().map(ImageId)
    }

    /// The digest of an image.
    pub fn digest(&self, image: ImageId) -> &Digest {
        &self.digests[image.0]
    }

    /// The node of an image; `None` if it has no layers.
    pub fn node(&self, image: ImageId) -> Option<NodeId> {
        Some(self.slots[image.0].node).filter(|node| *node < VACANT).map(NodeId)
    }

    /// All images.
    pub fn images(&self) -> impl Iterator<Item = ImageId> + '_ {
        (0..self.slots.len()).filter(|image| self.slots[*image].node != VACANT).map(ImageId)
    }

    /// The kind of digest that identifies the layers above a node.
    pub fn identity(&self, node: NodeId) -> LayerIdentity {
        let mut node = node.0;
        while !is_root(node) {
            node = self.nodes[node].parent;
        }
        ROOTS[node as usize]
    }

    /// The number of layers that lead to a node.
    pub fn depth(&self, node: NodeId) -> u32 {
        u32::from(self.nodes[node.0].depth)
    }

    /// The number of images at a node and below it.
    pub fn count(&self, node: NodeId) -> u32 {
        self.nodes[node.0].count
    }

    /// The layers between a node's parent and itself, base first.
    pub fn own_layers(&self, node: NodeId) -> &[Digest] {
        self.segment(node.0)
    }

    /// The layers that lead to a node, base first.
    pub fn layers(&self, node: NodeId) -> Vec<Digest> {
        let mut parts = Vec::new();
        let mut at = node.0;
        while !is_root(at) {
            parts.push(self.segment(at));
            at = self.nodes[at].parent;
        }
        parts.into_iter().rev().flatten().copied().collect()
    }

    /// Creates a node at the end of the chain and keeps it, even without an image: a class's version outlives its
    /// image. Pins are counted: each needs an [`unpin`](Self::unpin). Returns `None` for a chain without layers.
    pub fn pin(&mut self, chain: &LayerChain) -> Result<Option<NodeId>, IndexError> {
        if chain.layers().is_empty() {
            return Ok(None);
        }
        let node = self.reach(chain.identity(), chain.layers())?;
        *self.pins.entry(node).or_default() += 1;
        Ok(Some(NodeId(node)))
    }

    /// Removes one pin, and frees a node without another use.
    pub fn unpin(&mut self, node: NodeId) {
        if let Some(pins) = self.pins.get_mut(&node.0) {
            *pins -= 1;
            if *pins == 0 {
                self.pins.remove(&node.0);
                self.prune(node.0);
            }
        }
    }

    fn segment(&self, node: u32) -> &[Digest] {
        let node = &self.nodes[node];
        self.segments.get(node.segment, node.len)
    }
}
