//! What is kept of an image beside its place in the index, one row an image.

use super::interner::Interned;

/// The row of one image, at the index of its `ImageId`. Everything that can be shared is a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The sequence of its record.
    pub(super) sequence: u64,
    /// What it runs on.
    pub(super) platform: Interned,
    /// The repositories it was seen in.
    pub(super) repositories: Interned,
    /// What is concluded of it; `None` when it is in no class.
    pub(super) classification: Option<Interned>,
}
