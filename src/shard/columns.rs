//! The data of an image besides its place in the index, one row per image.

use super::interner::Interned;
use crate::oci::Digest;

/// The row of one image, at the index of its `ImageId`. Every shared value is a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The sequence of the image's record.
    pub(super) sequence: u64,
    /// The platform.
    pub(super) platform: Interned,
    /// The repositories that contain the image.
    pub(super) repositories: Interned,
    /// The image ID: the digest of the config. `None` if no source has told it.
    pub(super) config: Option<Digest>,
    /// The classification; `None` if the image is in no class.
    pub(super) classification: Option<Interned>,
}
