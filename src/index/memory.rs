//! Measures the memory of an index.

use super::ChainIndex;

/// Bytes in use and reserved, by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Layers.
    pub segments: usize,
    /// Nodes.
    pub nodes: usize,
    /// Digests and places of images.
    pub images: usize,
    /// The tables of children and of images.
    pub tables: usize,
}

impl MemoryUse {
    /// The sum of all parts.
    pub fn total(&self) -> usize {
        self.segments + self.nodes + self.images + self.tables
    }
}

impl ChainIndex {
    /// The memory of the index, including reserved room.
    pub fn memory(&self) -> MemoryUse {
        let number = size_of::<u32>();
        MemoryUse {
            segments: self.segments.bytes(),
            nodes: self.nodes.bytes() + self.families.bytes() + self.free_nodes.capacity() * number,
            images: self.digests.bytes() + self.slots.bytes() + self.free_images.capacity() * number,
            tables: self.children.allocation_size()
                + self.directory.allocation_size()
                + self.pins.capacity() * 16,
        }
    }
}
