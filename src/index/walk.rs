//! Walks up and down the tree. Nothing recurses: a chain can be thousands of nodes deep.

use super::{ChainIndex, ImageId, NONE, NodeId, ROOTS, is_root, root};

impl ChainIndex {
    /// The parent node; `None` for the uppermost.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        Some(self.nodes[node.0].parent).filter(|parent| !is_root(*parent)).map(NodeId)
    }

    /// The nodes above, nearest first.
    pub fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.parent(node), |node| self.parent(*node))
    }

    /// The child nodes.
    #[cfg(feature = "internals")]
    pub fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.family(node.0).iter().copied().map(NodeId)
    }

    /// All nodes, each before the nodes below it.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        ROOTS.map(root).into_iter().flat_map(move |root| {
            let next = move |node: &u32| self.next_in_subtree(root, *node);
            std::iter::successors(next(&root), next).map(NodeId)
        })
    }

    /// All nodes, each before the nodes below it, and with `true` if any node above it is `met`. It asks about each node
    /// once.
    pub fn nodes_below<'a>(
        &'a self,
        met: impl Fn(NodeId) -> bool + 'a,
    ) -> impl Iterator<Item = (NodeId, bool)> + 'a {
        // The nodes above the present one, each with whether it or a node above it is met.
        let mut path: Vec<(NodeId, bool)> = Vec::new();
        self.nodes().map(move |node| {
            let parent = self.parent(node);
            while path.last().is_some_and(|(above, _)| Some(*above) != parent) {
                path.pop();
            }
            let is_below = path.last().is_some_and(|(_, is_met)| *is_met);
            path.push((node, is_below || met(node)));
            (node, is_below)
        })
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
        let mut images = SubtreeImages {
            index: self,
            top: node.0,
            node: node.0,
            family: NONE,
            siblings: &[],
            image: NONE,
            is_alone: false,
        };
        images.enter(node.0);
        images
    }

    /// The next node inside the subtree of `top`, in the order in which each node stands before the nodes below it.
    pub(super) fn next_in_subtree(&self, top: u32, node: u32) -> Option<u32> {
        if let Some(first) = self.family(node).first() {
            return Some(*first);
        }
        let mut at = node;
        while at != top {
            if let Some(next) = self.later_siblings(at).first() {
                return Some(*next);
            }
            at = self.nodes[at].parent;
        }
        None
    }

    fn later_siblings(&self, node: u32) -> &[u32] {
        let super::Node { parent, position, .. } = self.nodes[node];
        &self.family(parent)[position as usize + 1..]
    }
}

/// The images of a subtree.
#[derive(Debug, Clone)]
pub struct SubtreeImages<'a> {
    index: &'a ChainIndex,
    top: u32,
    node: u32,
    /// The children of the node.
    family: u32,
    /// The siblings that are still to come.
    siblings: &'a [u32],
    /// The next image of the node.
    image: u32,
    /// `true` if the image is the only one here and below. Most are, and then its place need not be looked at.
    is_alone: bool,
}

impl SubtreeImages<'_> {
    fn enter(&mut self, number: u32) {
        let node = &self.index.nodes[number];
        self.node = number;
        self.family = node.family;
        self.image = node.first_image;
        self.is_alone = node.count == 1;
    }

    /// Moves to the next node of the subtree.
    fn advance(&mut self) -> Option<()> {
        if let [first, siblings @ ..] = self.index.families.get(self.family) {
            self.siblings = siblings;
            self.enter(*first);
            return Some(());
        }
        while self.siblings.is_empty() {
            if self.node == self.top {
                return None;
            }
            self.node = self.index.nodes[self.node].parent;
            if self.node == self.top {
                return None;
            }
            self.siblings = self.index.later_siblings(self.node);
        }
        let (next, siblings) = self.siblings.split_first()?;
        self.siblings = siblings;
        self.enter(*next);
        Some(())
    }
}

impl Iterator for SubtreeImages<'_> {
    type Item = ImageId;

    #[inline]
    fn next(&mut self) -> Option<ImageId> {
        while self.image == NONE {
            self.advance()?;
        }
        let image = self.image;
        self.image = if self.is_alone { NONE } else { self.index.slots[image].next };
        Some(ImageId(image))
    }
}
