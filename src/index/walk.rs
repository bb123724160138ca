//! Walking up and down. Nothing recurses: a chain can be thousands of nodes deep.

use super::{ChainIndex, ImageId, NONE, NodeId, is_root};

impl ChainIndex {
    /// The node above; `None` for the uppermost.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        Some(self.nodes[node.0].parent).filter(|parent| !is_root(*parent)).map(NodeId)
    }

    /// The nodes above, nearest first.
    pub fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.parent(node), |node| self.parent(*node))
    }

    /// The nodes directly below.
    pub fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let some = |node: u32| Some(node).filter(|node| *node != NONE);
        std::iter::successors(some(self.nodes[node.0].first_child), move |node| {
            some(self.nodes[*node].next_sibling)
        })
        .map(NodeId)
    }

    /// The images at a node: those whose last chain it is.
    pub fn images_at(&self, node: NodeId) -> impl Iterator<Item = ImageId> + '_ {
        let some = |image: u32| Some(image).filter(|image| *image != NONE);
        std::iter::successors(some(self.nodes[node.0].first_image), move |image| {
            some(self.slots[*image].next)
        })
        .map(ImageId)
    }

    /// The images at a node and below it: those that contain its chain.
    pub fn subtree_images(&self, node: NodeId) -> SubtreeImages<'_> {
        SubtreeImages { index: self, top: node.0, node: node.0, image: self.nodes[node.0].first_image }
    }

    /// Of [`subtree_images`](Self::subtree_images) those that come after `image`, which must be one of them: the next
    /// page. Valid as long as the index is not changed.
    pub fn subtree_images_after(&self, node: NodeId, image: ImageId) -> SubtreeImages<'_> {
        let slot = self.slots[image.0];
        SubtreeImages { index: self, top: node.0, node: slot.node, image: slot.next }
    }

    /// The node after `node` in the order in which each stands before what is below it; inside the subtree of `top`.
    pub(super) fn next_in_subtree(&self, top: u32, node: u32) -> Option<u32> {
        let first = self.nodes[node].first_child;
        if first != NONE {
            return Some(first);
        }
        let mut at = node;
        while at != top {
            let next = self.nodes[at].next_sibling;
            if next != NONE {
                return Some(next);
            }
            at = self.nodes[at].parent;
        }
        None
    }
}

/// The images of a subtree.
#[derive(Debug, Clone)]
pub struct SubtreeImages<'a> {
    index: &'a ChainIndex,
    top: u32,
    node: u32,
    image: u32,
}

impl Iterator for SubtreeImages<'_> {
    type Item = ImageId;

    fn next(&mut self) -> Option<ImageId> {
        while self.image == NONE {
            self.node = self.index.next_in_subtree(self.top, self.node)?;
            self.image = self.index.nodes[self.node].first_image;
        }
        let image = self.image;
        self.image = self.index.slots[image].next;
        Some(ImageId(image))
    }
}
