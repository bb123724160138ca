//! Topic `images`: every image (one platform), by digest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, Topic, Value, canonical_name};
use crate::oci::document::{BASE_DIGEST, BASE_NAME, DHI_CHAIN_ID};
use crate::oci::layer::is_empty_layer;
use crate::oci::{Digest, LayerChain, LayerIdentity, Platform, Reference};

/// One image: its layers, its origin, and the claims about its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Digest of the platform's manifest.
    pub digest: Digest,
    /// Publication counter of the publisher. Of two records with one key, the higher is the newer.
    pub sequence: u64,
    /// The platform.
    pub platform: Platform,
    /// Every repository that contains the image, sorted.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// The live sources that have the image, sorted: `kubernetes`, or a registry's host. Once no live source has it any
    /// more, the image is gone. An image that was imported from a file stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// `true` if the image was imported as well, besides the live sources that have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Media type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Digest of the image's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<Digest>,
    /// The time of the build, from the image config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created: Option<Timestamp>,
    /// The kind of layer digest that the chain is made of.
    pub layer_identity: LayerIdentity,
    /// The layers, base first, empty ones included as the manifest has them.
    pub layers: Vec<Layer>,
    /// Claims about the base, which layers do not prove.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "said")]
    pub claims: Vec<Claim>,
}

/// One layer of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Digest as stored (blob). Where only the diff ID is known, the diff ID.
    pub digest: Digest,
    /// Digest of the uncompressed tar, if it is known.
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
    /// The kind of evidence.
    pub evidence: Evidence,
    /// The name of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of the base; of the evidence `chain-label`, the chain ID of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The origin of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// `org.opencontainers.image.base.name` and `.base.digest`.
    Annotation,
    /// The same names as labels of the image's config.
    Label,
    /// The label `com.docker.dhi.chain-id`: the chain ID of a Docker Hardened Image, which images built on it inherit.
    ChainLabel,
    /// The last `FROM` of the image's Dockerfile.
    Dockerfile,
    /// A material of the build, from BuildKit's attestation: the base of any stage of it.
    Provenance,
}

/// Leaves out what claims nothing: records of clade 0.2 have it.
fn said<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Claim>, D::Error> {
    let mut claims = Vec::<Claim>::deserialize(from)?;
    for claim in &mut claims {
        claim.name = claim.name.take().filter(|name| Claim::is_said(name));
        claim.digest = claim.digest.take().filter(|digest| Claim::is_said(digest));
    }
    claims.retain(|claim| claim.name.is_some() || claim.digest.is_some());
    Ok(claims)
}

impl Claim {
    /// The longest name of an image that counts as a claim, in bytes.
    pub const LONGEST_NAME: usize = 1_024;
    /// Claims of one image, at most. A record of an image must not grow with what strangers attach to it.
    pub const MOST: usize = 64;

    /// Returns `true` if the value of an annotation or label claims anything. An empty one does not: buildah writes empty
    /// annotations into an image without a base. Neither does one that is too long.
    pub fn is_said(value: &str) -> bool {
        !value.trim().is_empty() && value.len() <= Self::LONGEST_NAME
    }

    /// Returns the claim that annotations or labels make about the base.
    pub fn in_names(evidence: Evidence, names: &BTreeMap<String, String>) -> Option<Self> {
        let value = |name| names.get(name).filter(|value| Self::is_said(value)).cloned();
        let (name, digest) = (value(BASE_NAME), value(BASE_DIGEST));
        (name.is_some() || digest.is_some()).then_some(Self { evidence, name, digest })
    }

    /// The tag that the claim names, in its one spelling, and the digest that it names.
    pub fn target(&self) -> Option<(String, Option<Digest>)> {
        let name: Reference = self.name.as_ref()?.parse().ok()?;
        let digest = self.digest.as_ref().and_then(|digest| digest.parse().ok()).or(name.digest);
        let tag = name.tag.as_deref().unwrap_or("latest");
        Some((canonical_name(&Reference::tag_name(&name.repository, tag)), digest))
    }

    /// Returns the claims that the labels of a config make about the base.
    pub fn in_labels(labels: &BTreeMap<String, String>) -> impl Iterator<Item = Self> {
        let chain = labels.get(DHI_CHAIN_ID).filter(|chain| Self::is_said(chain));
        let by_chain = chain.map(|chain| Self {
            evidence: Evidence::ChainLabel,
            name: None,
            digest: Some(chain.clone()),
        });
        Self::in_names(Evidence::Label, labels).into_iter().chain(by_chain)
    }
}

impl ImageRecord {
    /// Returns the chain of the non-empty layers. Either digest of a layer can show that it is empty, since an empty
    /// layer has many compressed forms.
    pub fn chain(&self) -> LayerChain {
        LayerChain::new(
            self.layer_identity,
            self.non_empty().map(|layer| match self.layer_identity {
                LayerIdentity::Blob => layer.digest,
                LayerIdentity::DiffId => layer.diff_id.unwrap_or(layer.digest),
            }),
        )
    }

    /// The size of the non-empty layers as stored, in bytes. `None` if that of any is not known.
    pub fn size(&self) -> Option<u64> {
        let sizes = self.non_empty().map(|layer| layer.size);
        let total = sizes
            .map(|size| size.filter(|size| *size > 0))
            .try_fold(0_u64, |sum, size| sum.checked_add(size?))?;
        (total > 0).then_some(total)
    }

    /// The non-empty layers as stored, base first, of an image whose chain has their diff IDs. Empty if they are not known,
    /// as of an image that is known by its config alone.
    pub fn blobs(&self) -> Vec<Digest> {
        let is_stored = |layer: &Layer| layer.diff_id.is_some_and(|diff_id| diff_id != layer.digest);
        match self.layer_identity {
            LayerIdentity::DiffId if self.layers.iter().any(is_stored) => {
                self.non_empty().map(|layer| layer.digest).collect()
            }
            _ => Vec::new(),
        }
    }

    fn non_empty(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| {
            !is_empty_layer(&layer.digest) && !layer.diff_id.as_ref().is_some_and(is_empty_layer)
        })
    }
}

impl Value for ImageRecord {
    const TOPIC: Topic = Topic::Images;
    const TYPE: &'static str = "dev.clade.image.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.digest, self.sequence)
    }
}
