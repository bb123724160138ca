//! The data of an image besides its place in the index, one row per image.

use std::num::NonZeroU64;

use super::Kind;
use super::interner::Interned;
use crate::oci::{Digest, Timestamp};

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
    /// The time of the build. `None` if no source has told it.
    pub(super) created: Option<Timestamp>,
    /// The size of the layers as stored, in bytes. `None` if no source has told it.
    pub(super) size: Option<NonZeroU64>,
    /// The classification; `None` if the image is in no class.
    pub(super) classification: Option<Interned>,
}

impl Row {
    /// The kind of the image.
    pub(super) fn kind(&self) -> Kind {
        Kind { classification: self.classification, platform: self.platform }
    }
}
