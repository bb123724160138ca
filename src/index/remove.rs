//! Removes images from the index, and frees what only they needed.

use super::node::{Node, Slot, VACANT};
use super::{ChainIndex, ImageId, NONE, is_root};
use crate::oci::Digest;

impl ChainIndex {
    /// Removes an image. Its number may be given to another.
    pub fn remove(&mut self, digest: &Digest) -> Option<ImageId> {
        let image = self.image(digest)?;
        let node = self.slots[image.0].node;
        self.unseat(image.0);
        self.leave_image(image.0);
        self.slots[image.0] = Slot { node: VACANT, next: NONE, prev: NONE };
        self.free_images.push(image.0);
        if node != NONE {
            self.prune(node);
        }
        Some(image)
    }

    /// Removes an image from its node.
    pub(super) fn unseat(&mut self, image: u32) {
        let Slot { node, next, prev } = self.slots[image];
        if node == NONE {
            return;
        }
        if prev == NONE {
            self.nodes[node].first_image = next;
        } else {
            self.slots[prev].next = next;
        }
        if next != NONE {
            self.slots[next].prev = prev;
        }
        let mut at = node;
        while at != NONE {
            self.nodes[at].count -= 1;
            at = self.nodes[at].parent;
        }
    }

    /// Frees a node if nothing needs it, and then those above it that only it needed.
    pub(super) fn prune(&mut self, node: u32) {
        let mut at = node;
        while !is_root(at) && self.nodes[at].first_image == NONE && !self.pins.contains_key(&at) {
            match *self.family(at) {
                [] => {}
                [only] => return self.merge(at, only),
                _ => return,
            }
            let parent = self.nodes[at].parent;
            self.leave(at);
            self.unlink(at);
            self.segments.free(self.nodes[at].segment, self.nodes[at].len);
            self.free_node(at);
            at = parent;
        }
    }

    /// Joins a node with its only child, which keeps its number.
    fn merge(&mut self, upper: u32, lower: u32) {
        self.leave(lower);
        self.leave(upper);
        let (above, below) = (self.nodes[upper], self.nodes[lower]);
        let len = above.len + below.len;
        // Segments that were one before still lie side by side.
        let segment = if above.segment + u32::from(above.len) == below.segment
            && above.segment as usize / super::segments::CHUNK
                == below.segment as usize / super::segments::CHUNK
        {
            above.segment
        } else {
            let layers = [self.segment(upper), self.segment(lower)].concat();
            let segment = self.segments.put(&layers);
            self.segments.free(above.segment, above.len);
            self.segments.free(below.segment, below.len);
            segment
        };
        self.families.dissolve(above.family);
        self.replace_in_list(upper, lower);
        self.nodes[lower].segment = segment;
        self.nodes[lower].len = len;
        self.enter(lower);
        self.free_node(upper);
    }

    fn free_node(&mut self, node: u32) {
        // A node without layers is none.
        self.nodes[node] = Node::root();
        self.free_nodes.push(node);
    }
}
