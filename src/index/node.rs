//! The stored data of a node and of an image. Links are 32-bit numbers: half the memory of pointers.

/// No node, no image.
pub(super) const NONE: u32 = u32::MAX;
/// In [`Slot::node`]: the slot holds no image.
pub(super) const VACANT: u32 = u32::MAX - 1;

/// The end of a segment of layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) parent: u32,
    /// The start of its layers in the pool, and their number.
    pub(super) segment: u32,
    pub(super) len: u16,
    /// The number of layers from the root to its end.
    pub(super) depth: u16,
    /// The number of the list of its children; [`NONE`] for a leaf.
    pub(super) family: u32,
    /// The position in its parent's list: removing a child of a node with a hundred thousand others must not walk
    /// through them.
    pub(super) position: u32,
    pub(super) first_image: u32,
    /// The number of images here and below.
    pub(super) count: u32,
}

impl Node {
    pub(super) const fn root() -> Self {
        Self {
            parent: NONE,
            segment: 0,
            len: 0,
            depth: 0,
            family: NONE,
            position: 0,
            first_image: NONE,
            count: 0,
        }
    }
}

/// The place of an image, in a list of all images at its node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) node: u32,
    pub(super) next: u32,
    pub(super) prev: u32,
}
