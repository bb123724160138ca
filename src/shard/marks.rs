//! The ends of the version chains of classes in the index.

use std::collections::{BTreeMap, HashMap};

use super::interner::Interned;
use crate::index::NodeId;
use crate::oci::Digest;

/// One version chain of a class that ends at a node.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) class: String,
    pub(super) version: u32,
    /// The version's image with this chain, and its platform.
    pub(super) digest: Digest,
    pub(super) platform: Interned,
}

/// Every mark by node and by version. A node is pinned in the index once for each of its marks.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    by_node: HashMap<NodeId, Vec<Mark>>,
    by_version: BTreeMap<(String, u32), Vec<NodeId>>,
}

impl Marks {
    pub(super) fn at(&self, node: NodeId) -> &[Mark] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_marked(&self, node: NodeId) -> bool {
        self.by_node.contains_key(&node)
    }

    pub(super) fn add(&mut self, node: NodeId, mark: Mark) {
        self.by_version.entry((mark.class.clone(), mark.version)).or_default().push(node);
        self.by_node.entry(node).or_default().push(mark);
    }

    /// Removes the marks of a version and returns each with its node, which can be unpinned.
    pub(super) fn remove(&mut self, class: &str, version: u32) -> Vec<(NodeId, Mark)> {
        let mut removed = Vec::new();
        let mut nodes = self.by_version.remove(&(class.to_owned(), version)).unwrap_or_default();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let Some(marks) = self.by_node.get_mut(&node) else { continue };
            removed.extend(
                marks
                    .extract_if(.., |mark| mark.class == class && mark.version == version)
                    .map(|mark| (node, mark)),
            );
            if marks.is_empty() {
                self.by_node.remove(&node);
            }
        }
        removed
    }

    /// The nodes where a version's chains end.
    pub(super) fn of_version(&self, class: &str, version: u32) -> &[NodeId] {
        self.by_version.get(&(class.to_owned(), version)).map_or(&[], Vec::as_slice)
    }

    /// The nodes where chains of any version of the class end, with the number of each version.
    pub(super) fn of_class<'a>(&'a self, class: &'a str) -> impl Iterator<Item = (u32, NodeId)> + 'a {
        self.by_version
            .range((class.to_owned(), 0)..=(class.to_owned(), u32::MAX))
            .flat_map(|((_, version), nodes)| nodes.iter().map(move |node| (*version, *node)))
    }

    /// Takes over the new numbers after the index has renumbered its nodes.
    pub(super) fn renumber(&mut self, new: impl Fn(NodeId) -> NodeId) {
        self.by_node =
            std::mem::take(&mut self.by_node).into_iter().map(|(node, marks)| (new(node), marks)).collect();
        for node in self.by_version.values_mut().flatten() {
            *node = new(*node);
        }
    }
}
