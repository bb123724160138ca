//! The two hash tables: children by their first layer, images by their digest. They hold numbers only; what a number
//! stands for is looked up.

use std::hash::BuildHasher;

use super::{ChainIndex, NONE};
use crate::oci::Digest;

impl ChainIndex {
    pub(super) fn hash_digest(&self, digest: &Digest) -> u64 {
        self.hasher.hash_one(digest.as_bytes())
    }

    fn hash_child(&self, parent: u32, first: &Digest) -> u64 {
        self.hasher.hash_one((parent, first.as_bytes()))
    }

    fn first_layer(&self, node: u32) -> &Digest {
        &self.segments.get(self.nodes[node].segment, 1)[0]
    }

    /// The child of `parent` whose segment begins with `first`.
    pub(super) fn child(&self, parent: u32, first: &Digest) -> Option<u32> {
        let is_it = |node: &u32| self.nodes[*node].parent == parent && self.first_layer(*node) == first;
        self.children.find(self.hash_child(parent, first), is_it).copied()
    }

    /// Enters a node, whose parent and segment are set, into the table and its parent's list.
    pub(super) fn adopt(&mut self, node: u32) {
        let parent = self.nodes[node].parent;
        let next = std::mem::replace(&mut self.nodes[parent].first_child, node);
        self.nodes[node].next_sibling = next;
        self.nodes[node].prev_sibling = NONE;
        if next != NONE {
            self.nodes[next].prev_sibling = node;
        }
        self.enter(node);
    }

    /// Enters a node into the table alone.
    pub(super) fn enter(&mut self, node: u32) {
        let hash = self.hash_child(self.nodes[node].parent, self.first_layer(node));
        // Growing the table needs the hash of every entry, and with it the nodes, while the table is borrowed.
        let mut table = std::mem::take(&mut self.children);
        table.insert_unique(hash, node, |node| {
            self.hash_child(self.nodes[*node].parent, self.first_layer(*node))
        });
        self.children = table;
    }

    /// Takes a node out of the table; its parent and segment must still be those that it was entered with.
    pub(super) fn leave(&mut self, node: u32) {
        let hash = self.hash_child(self.nodes[node].parent, self.first_layer(node));
        if let Ok(entry) = self.children.find_entry(hash, |entry| *entry == node) {
            entry.remove();
        }
    }

    /// Takes a node out of its parent's list.
    pub(super) fn unlink(&mut self, node: u32) {
        let super::Node { parent, prev_sibling, next_sibling, .. } = self.nodes[node];
        if prev_sibling == NONE {
            self.nodes[parent].first_child = next_sibling;
        } else {
            self.nodes[prev_sibling].next_sibling = next_sibling;
        }
        if next_sibling != NONE {
            self.nodes[next_sibling].prev_sibling = prev_sibling;
        }
    }

    /// Puts `new` where `old` is in the list of `old`'s parent.
    pub(super) fn replace_in_list(&mut self, old: u32, new: u32) {
        let super::Node { parent, prev_sibling, next_sibling, .. } = self.nodes[old];
        self.nodes[new].parent = parent;
        self.nodes[new].prev_sibling = prev_sibling;
        self.nodes[new].next_sibling = next_sibling;
        if prev_sibling == NONE {
            self.nodes[parent].first_child = new;
        } else {
            self.nodes[prev_sibling].next_sibling = new;
        }
        if next_sibling != NONE {
            self.nodes[next_sibling].prev_sibling = new;
        }
    }

    pub(super) fn enter_image(&mut self, image: u32) {
        let hash = self.hash_digest(&self.digests[image]);
        let mut table = std::mem::take(&mut self.directory);
        table.insert_unique(hash, image, |image| self.hash_digest(&self.digests[*image]));
        self.directory = table;
    }

    pub(super) fn leave_image(&mut self, image: u32) {
        let hash = self.hash_digest(&self.digests[image]);
        if let Ok(entry) = self.directory.find_entry(hash, |entry| *entry == image) {
            entry.remove();
        }
    }
}
