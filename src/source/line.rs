//! The lines of a history as they stand in a file.

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Platform, lenient};
use crate::record::Timestamp;

/// One line. What it is, its fields tell.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// An image.
    Image(ImageLine),
    /// Something that happened to a tag.
    Tag(TagLine),
    /// What an image's Dockerfile says of its base.
    Claim(ClaimLine),
}

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageLine {
    /// Where it was seen.
    pub repository: String,
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// What it runs on.
    #[serde(default, deserialize_with = "lenient::field")]
    pub platform: Platform,
    /// Media type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub media_type: Option<String>,
    /// Digest of its config.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub config_digest: Option<Digest>,
    /// When it was built.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub created: Option<Timestamp>,
    /// Its layers, base first, as stored.
    #[serde(deserialize_with = "lenient::or_null")]
    pub layers: Vec<LayerLine>,
    /// Digests of the uncompressed layers; with them the chain is one of diff IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_null")]
    pub diff_ids: Vec<Digest>,
}

/// A layer of an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerLine {
    /// Digest as stored.
    pub digest: Digest,
    /// Size as stored, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub size: Option<u64>,
}

/// Something that happened to a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TagLine {
    /// When.
    pub seen: Timestamp,
    /// The tag's repository.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// `set`, `gone` or `missing-from-registry`.
    pub event: String,
    /// Digest of the image index, of a tag with several platforms.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::or_null")]
    pub index_digest: Option<Digest>,
    /// The images that it leads to from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_null")]
    pub manifests: Vec<ManifestLine>,
}

/// One image of a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestLine {
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub platform: Option<Platform>,
    /// Digest of the platform's manifest.
    pub digest: Digest,
}

/// What an image's Dockerfile says of its base.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimLine {
    /// The image.
    pub digest: Digest,
    /// The last `FROM`.
    pub declared_base: String,
}
