//! Finds chains by chain ID.

use super::{ChainIndex, NodeId, ROOTS, root};
use crate::oci::{ChainId, LayerChain};

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The uppermost node at or below the end: all images in its subtree contain the chain.
    pub node: NodeId,
    /// The number of layers in the chain.
    pub depth: u32,
}

impl ChainIndex {
    /// The node where the chain ends, if it ends at one.
    #[cfg(feature = "internals")]
    pub fn find(&self, chain: &LayerChain) -> Option<NodeId> {
        let (mut at, mut rest) = (root(chain.identity()), chain.layers());
        rest.first()?;
        while let Some(first) = rest.first() {
            at = self.child(at, first)?;
            rest = rest.strip_prefix(self.segment(at))?;
        }
        Some(NodeId(at))
    }

    /// Finds the end of the chain with this ID, at a node or between two.
    ///
    /// It computes chain IDs on a walk through the whole shard, one hash per distinct layer. Storing them would double
    /// the index for a query that only people use. `cargo bench --bench index` measures the walk.
    pub fn find_chain(&self, chain: &ChainId) -> Option<Position> {
        ROOTS.iter().find_map(|identity| self.find_chain_below(root(*identity), chain))
    }

    fn find_chain_below(&self, root: u32, wanted: &ChainId) -> Option<Position> {
        // The chain at the end of each node on the way from the root to the current one.
        let mut path: Vec<(u32, ChainId)> = Vec::new();
        let mut node = root;
        while let Some(next) = self.next_in_subtree(root, node) {
            node = next;
            let parent = self.nodes[node].parent;
            while path.last().is_some_and(|(on_path, _)| *on_path != parent) {
                path.pop();
            }
            let mut chain = path.last().map(|(_, chain)| *chain);
            let first = u32::from(self.nodes[node].depth - self.nodes[node].len) + 1;
            for (depth, layer) in (first..).zip(self.segment(node)) {
                let longer = chain.map_or(ChainId::first(*layer), |chain| chain.append(layer));
                if longer == *wanted {
                    return Some(Position { node: NodeId(node), depth });
                }
                chain = Some(longer);
            }
            path.extend(chain.map(|chain| (node, chain)));
        }
        None
    }
}
