//! The two hash tables: children by their first layer, images by their digest. They hold numbers only, and look up the
//! value of a number for each comparison.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use super::{ChainIndex, NONE, VACANT};
use crate::oci::Digest;

impl ChainIndex {
    pub(super) fn hash_digest(&self, digest: &Digest) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hash(digest, &mut hasher);
        hasher.finish()
    }

    fn hash_child(&self, parent: u32, first: &Digest) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hash(first, &mut hasher);
        hasher.write_u32(parent);
        hasher.finish()
    }

    fn first_layer(&self, node: u32) -> &Digest {
        &self.segments.get(self.nodes[node].segment, 1)[0]
    }

    /// The child of `parent` whose segment begins with `first`.
    pub(super) fn child(&self, parent: u32, first: &Digest) -> Option<u32> {
        let is_it = |node: &u32| self.nodes[*node].parent == parent && self.first_layer(*node) == first;
        self.children.find(self.hash_child(parent, first), is_it).copied()
    }

    /// The child nodes.
    pub(super) fn family(&self, node: u32) -> &[u32] {
        self.families.get(self.nodes[node].family)
    }

    /// Enters a node, whose parent and segment are set, into the table and its parent's list.
    pub(super) fn adopt(&mut self, node: u32) {
        let parent = self.nodes[node].parent;
        let family = self.nodes[parent].family;
        if family == NONE {
            self.nodes[parent].family = self.families.found(node);
            self.nodes[node].position = 0;
        } else {
            self.nodes[node].position = self.families.add(family, node);
        }
        self.enter(node);
    }

    /// Enters a node into the table only.
    pub(super) fn enter(&mut self, node: u32) {
        let hash = self.hash_child(self.nodes[node].parent, self.first_layer(node));
        // Growing the table needs the hash of every entry, and with it the nodes, while the table is borrowed.
        let mut table = std::mem::take(&mut self.children);
        table.insert_unique(hash, node, |node| {
            self.hash_child(self.nodes[*node].parent, self.first_layer(*node))
        });
        self.children = table;
    }

    /// Makes room for the entries of one insert. A new table is filled node by node, which reads memory from front to
    /// back. A table that grows by itself looks up each of its entries, which was a third of the cost of an insert.
    pub(super) fn make_room(&mut self) {
        /// Both parts of a divided node, and a leaf. The divided node leaves a gap, which may not be usable.
        const ENTERED_AT_ONCE: usize = 4;
        if self.children.capacity() - self.children.len() < ENTERED_AT_ONCE {
            let mut table = HashTable::with_capacity(roomy(self.children.len()));
            for node in (0..self.nodes.len()).filter(|node| self.nodes[*node].len > 0) {
                let hash = self.hash_child(self.nodes[node].parent, self.first_layer(node));
                table.insert_unique(hash, node, |_| hash);
            }
            self.children = table;
        }
        if self.directory.capacity() == self.directory.len() {
            let mut table = HashTable::with_capacity(roomy(self.directory.len()));
            for image in (0..self.slots.len()).filter(|image| self.slots[*image].node != VACANT) {
                let hash = self.hash_digest(&self.digests[image]);
                table.insert_unique(hash, image, |_| hash);
            }
            self.directory = table;
        }
    }

    /// Removes a node from the table. Its parent and segment must still be those that it was entered with.
    pub(super) fn leave(&mut self, node: u32) {
        let hash = self.hash_child(self.nodes[node].parent, self.first_layer(node));
        if let Ok(entry) = self.children.find_entry(hash, |entry| *entry == node) {
            entry.remove();
        }
    }

    /// Removes a node from its parent's list.
    pub(super) fn unlink(&mut self, node: u32) {
        let super::Node { parent, position, .. } = self.nodes[node];
        let family = self.nodes[parent].family;
        if let Some(moved) = self.families.remove(family, position) {
            self.nodes[moved].position = position;
        }
        if self.families.get(family).is_empty() {
            self.families.dissolve(family);
            self.nodes[parent].family = NONE;
        }
    }

    /// Replaces `old` with `new` in the list of `old`'s parent.
    pub(super) fn replace_in_list(&mut self, old: u32, new: u32) {
        let super::Node { parent, position, .. } = self.nodes[old];
        self.nodes[new].parent = parent;
        self.nodes[new].position = position;
        self.families.replace(self.nodes[parent].family, position, new);
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

/// Hashes a digest as two numbers: without a loop, and without its length, which is always the same.
fn hash(digest: &Digest, hasher: &mut impl Hasher) {
    for half in digest.as_bytes().as_chunks::<16>().0 {
        hasher.write_u128(u128::from_le_bytes(*half));
    }
}

/// The capacity for a table of this many entries: half more, which its power of two rounds up to twice as many.
fn roomy(entries: usize) -> usize {
    entries + entries / 2 + 8
}
