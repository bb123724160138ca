//! Lays out the whole index again.

use hashbrown::HashTable;

use super::node::Slot;
use super::{ChainIndex, ImageId, NONE, Node, NodeId, ROOTS, VACANT};

/// The numbers after [`ChainIndex::settle`] by those before.
#[derive(Debug)]
pub struct Renumbering {
    nodes: Vec<u32>,
    images: Vec<u32>,
}

impl Renumbering {
    /// The new number of a node.
    pub fn node(&self, old: NodeId) -> NodeId {
        NodeId(self.nodes[old.0 as usize])
    }

    /// The new number of an image.
    pub fn image(&self, old: ImageId) -> ImageId {
        ImageId(self.images[old.index()])
    }

    /// The new number of the image whose old number had this index; `None` if no image had it.
    pub fn image_at(&self, old: usize) -> Option<ImageId> {
        self.images.get(old).copied().filter(|new| *new != NONE).map(ImageId)
    }
}

impl ChainIndex {
    /// Puts every subtree side by side in memory, in the order of a walk, and frees all reserved room. It costs a copy
    /// of everything. After that, a walk down reads memory from front to back.
    pub fn settle(&mut self) -> Renumbering {
        let mut new = Self {
            hasher: self.hasher.clone(),
            children: HashTable::with_capacity(self.children.len()),
            directory: HashTable::with_capacity(self.directory.len()),
            ..Self::default()
        };
        let mut renumbering = Renumbering {
            nodes: vec![NONE; self.nodes.len() as usize],
            images: vec![NONE; self.slots.len() as usize],
        };
        for root in ROOTS.map(super::root) {
            renumbering.nodes[root as usize] = root;
            new.nodes[root].count = self.nodes[root].count;
            let mut node = root;
            while let Some(next) = self.next_in_subtree(root, node) {
                node = next;
                let parent = renumbering.nodes[self.nodes[node].parent as usize];
                let number = new.copy_node(self, node, parent);
                renumbering.nodes[node as usize] = number;
                new.copy_images(self, node, number, &mut renumbering.images);
            }
        }
        new.families.shrink();
        for image in 0..self.slots.len() {
            if self.slots[image].node == NONE {
                renumbering.images[image as usize] = new.copy_image(self, image, NONE);
            }
        }
        new.pins = self.pins.iter().map(|(node, pins)| (renumbering.nodes[*node as usize], *pins)).collect();
        debug_assert!(!(0..new.slots.len()).any(|image| new.slots[image].node == VACANT));
        *self = new;
        renumbering
    }

    fn copy_node(&mut self, from: &Self, node: u32, parent: u32) -> u32 {
        let segment = self.segments.put(from.segment(node));
        let Node { len, depth, count, .. } = from.nodes[node];
        self.nodes.push(Node { parent, segment, len, depth, count, ..Node::root() });
        let number = self.nodes.len() - 1;
        self.adopt(number);
        number
    }

    fn copy_images(&mut self, from: &Self, node: u32, number: u32, images: &mut [u32]) {
        let mut before = NONE;
        for ImageId(image) in from.images_at(NodeId(node)) {
            let copy = self.copy_image(from, image, number);
            images[image as usize] = copy;
            self.slots[copy].prev = before;
            if before == NONE {
                self.nodes[number].first_image = copy;
            } else {
                self.slots[before].next = copy;
            }
            before = copy;
        }
    }

    fn copy_image(&mut self, from: &Self, image: u32, node: u32) -> u32 {
        self.digests.push(from.digests[image]);
        self.slots.push(Slot { node, next: NONE, prev: NONE });
        let copy = self.slots.len() - 1;
        self.enter_image(copy);
        copy
    }
}
