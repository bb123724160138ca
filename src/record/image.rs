//! Topic `images`: every image (one platform), by digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value};
use crate::oci::layer::is_empty_layer;
use crate::oci::{Digest, LayerChain, LayerIdentity, Platform};

/// One image: what it is made of, and what is claimed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// Counts what the publisher has published; of two records with one key the higher is the newer.
    pub sequence: u64,
    /// What it runs on.
    pub platform: Platform,
    /// Every repository it was seen in, sorted.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// The live sources that have it, sorted: `kubernetes`, or a registry's host. Once none has it any more it is gone; what
    /// was imported from a file stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Whether it was imported as well, beside the live sources that have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Media type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Digest of the image's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<Digest>,
    /// When it was built, by its config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created: Option<Timestamp>,
    /// Which digest of a layer makes the chain.
    pub layer_identity: LayerIdentity,
    /// The layers, base first, empty ones included as the manifest has them.
    pub layers: Vec<Layer>,
    /// What is said of its base without proof by layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
}

/// One layer of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Digest as stored (blob). Where only the diff ID is known, the diff ID.
    pub digest: Digest,
    /// Digest of the uncompressed tar, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
    /// Size as stored, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A statement about an image's base that layers do not prove.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// What kind of evidence it is.
    pub evidence: Evidence,
    /// The base by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The base by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Where a claim comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// `org.opencontainers.image.base.name` and `.base.digest`.
    Annotation,
    /// The last `FROM` of the image's Dockerfile.
    Dockerfile,
}

impl ImageRecord {
    /// The chain of its non-empty layers. An empty one is known by either of its digests: its compressed forms are many.
    pub fn chain(&self) -> LayerChain {
        let is_empty = |layer: &Layer| {
            is_empty_layer(&layer.digest) || layer.diff_id.as_ref().is_some_and(is_empty_layer)
        };
        LayerChain::new(
            self.layer_identity,
            self.layers.iter().filter(|layer| !is_empty(layer)).map(|layer| match self.layer_identity {
                LayerIdentity::Blob => layer.digest,
                LayerIdentity::DiffId => layer.diff_id.unwrap_or(layer.digest),
            }),
        )
    }
}

impl Value for ImageRecord {
    const TOPIC: Topic = Topic::Images;
    const TYPE: &'static str = "dev.clade.image.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.digest, self.sequence)
    }
}
