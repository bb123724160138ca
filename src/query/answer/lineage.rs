//! Answers about the relations of one image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassStanding, ImageItem};
use crate::oci::{Digest, LayerIdentity, Platform};
use crate::record::{Claim, Timestamp};

/// The relations of one image, a line of `clade export lineage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The image.
    pub digest: Digest,
    /// The platform.
    pub platform: Platform,
    /// The images that the image is based on, nearest first; images with the same layers follow each other.
    pub bases: Vec<Base>,
    /// The images with the same layers, by digest.
    pub equivalents: Vec<Digest>,
    /// The classes of the image.
    pub classes: Vec<ClassStanding>,
    /// The claims about its base.
    pub claims: Vec<Claim>,
}

/// An image that another is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The base.
    pub digest: Digest,
    /// The number of its layers.
    pub depth: u32,
    /// The tags that point at it now.
    pub tags: Vec<String>,
}

/// The explanation of an image: the evidence for its classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The image.
    pub image: ImageItem,
    /// The kind of digest that identifies the layers.
    pub layer_identity: LayerIdentity,
    /// The non-empty layers, base first, with the other images that have them.
    pub layers: Vec<LayerItem>,
    /// The images that the image is based on, nearest first.
    pub bases: Vec<Base>,
    /// Images with the same layers.
    pub equivalents: Vec<Digest>,
    /// The number of images that are based on it.
    pub descendants: u64,
    /// The claims about its base, with the evidence of the layers.
    pub claims: Vec<ClaimItem>,
    /// The newer version of each class in which the image is outdated.
    pub newer: Vec<Newer>,
    /// The coverage of the image: `member`, `known-base`, `claimed` or `unknown`.
    pub coverage: String,
    /// The answer in one sentence.
    pub verdict: String,
}

/// One layer and the chain up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerItem {
    /// The number of layers up to here.
    pub depth: u32,
    /// The layer.
    pub layer: Digest,
    /// The chain of the layers up to here.
    pub chain_id: Digest,
    /// The size of the layers up to here as stored, in bytes, if an image that ends here tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The images whose last layer this is, except the image itself.
    pub images: Vec<Base>,
    /// The classes with a version that ends here.
    pub classes: Vec<String>,
}

/// A claim beside the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimItem {
    /// The claim.
    #[serde(flatten)]
    pub claim: Claim,
    /// The evidence of the layers: `proven`, `not-proven` (the claimed base is known and is no prefix), `unknown`.
    pub by_layers: String,
}

/// The current version of a class, beside the one that an image is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Newer {
    /// The class.
    pub class: String,
    /// The base version of the image.
    pub version: Digest,
    /// The time at which the class's current image for the platform became current.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The time at which another image replaced the base version of the image, or, with `at_least`, the earliest time of
    /// which clade knows that one had.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub outdated_since: Timestamp,
    /// `true` if the image is outdated at least since `outdated_since`: nobody knows the moment.
    pub at_least: bool,
    /// The class's current image for the platform, if it has one.
    pub current: Option<Digest>,
    /// The number of moves of the class after the base version of the image that gave the platform another image, or took
    /// it away.
    pub versions_behind: u32,
}

/// The objects that a REF names: images, or a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The REF.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The images: one for a digest, or one per platform for a tag or an image index.
    pub images: Vec<ImageItem>,
    /// The number of images that are left out of `images`, which has at most a hundred.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub more_images: u64,
    /// The chain, if the REF is a chain ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ResolvedChain>,
}

/// A chain that a REF names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedChain {
    /// The number of its layers.
    pub layers: u32,
    /// The number of images that contain it.
    pub images: u64,
}

/// A chain of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainItem {
    /// The chain ID.
    pub chain_id: Digest,
    /// The kind of digest that identifies the layers.
    pub layer_identity: LayerIdentity,
    /// The number of layers.
    pub layers: u32,
    /// The images whose layers it is, by digest.
    pub images: Vec<Base>,
    /// The classes with a version that ends here, by name.
    pub classes: Vec<String>,
    /// The number of images that contain it, those that end with it included.
    pub containing: u64,
}
