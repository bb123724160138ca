//! The lines of a history as they stand in a file.

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, LayerIdentity, Platform, lenient};
use crate::record::Timestamp;

/// One line. Its fields show its kind.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// An image.
    Image(ImageLine),
    /// An event of a tag.
    Tag(TagLine),
    /// The base that an image's Dockerfile declares.
    Claim(ClaimLine),
    /// A version of the classes that follow a tag.
    Version(VersionLine),
}

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageLine {
    /// The repository in which the image was seen.
    pub repository: String,
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The platform.
    #[serde(default, deserialize_with = "lenient::field")]
    pub platform: Platform,
    /// Media type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub media_type: Option<String>,
    /// Digest of the config.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub config_digest: Option<Digest>,
    /// The time of the build.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub created: Option<Timestamp>,
    /// The layers, base first, as stored.
    #[serde(deserialize_with = "lenient::or_null")]
    pub layers: Vec<LayerLine>,
    /// Digests of the uncompressed layers. With them the chain consists of diff IDs.
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

/// An event of a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TagLine {
    /// The time of the event.
    pub seen: Timestamp,
    /// The tag's repository.
    pub repository: String,
    /// The tag alone.
    pub tag: String,
    /// `set`, `gone` or `missing-from-registry`.
    pub event: String,
    /// Digest of the image index, for a tag with several platforms.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::or_null")]
    pub index_digest: Option<Digest>,
    /// The images that the tag leads to from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_null")]
    pub manifests: Vec<ManifestLine>,
}

/// One image of a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestLine {
    /// The platform.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub platform: Option<Platform>,
    /// Digest of the platform's manifest.
    pub digest: Digest,
}

/// The base that an image's Dockerfile declares.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimLine {
    /// The image.
    pub digest: Digest,
    /// The last `FROM`.
    pub declared_base: String,
}

/// A version of the classes that follow a tag, as `clade export versions` writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionLine {
    /// The full name of the tag that the classes follow.
    pub version_of: String,
    /// The image or image index that the tag pointed at.
    pub digest: Digest,
    /// The time at which the tag began to point at it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::or_null")]
    pub since: Option<Timestamp>,
    /// The time of the build.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::field")]
    pub built: Option<Timestamp>,
    /// The images, one a platform.
    pub images: Vec<VersionImageLine>,
}

/// One platform of a version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionImageLine {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// The platform.
    #[serde(default, deserialize_with = "lenient::field")]
    pub platform: Platform,
    /// The kind of digest in `layers`: `diff-id` or `blob`.
    pub layer_identity: LayerIdentity,
    /// The digests of the non-empty layers, base first.
    pub layers: Vec<Digest>,
    /// Their digests as stored, if `layers` has their diff IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_null")]
    pub blobs: Vec<Digest>,
}
