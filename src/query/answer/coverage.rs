//! Answers about coverage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, LayerIdentity};
use crate::record::Timestamp;

/// Images by what is known of their beginnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageReport {
    /// The time that the answer is about, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// All images.
    pub total: CoverageItem,
    /// The images of each repository or namespace, by name, if the question asks for them.
    pub parts: Vec<CoverageItem>,
    /// The classes of which images claim a version that their layers do not prove, by name.
    pub classes: Vec<ClaimedClass>,
}

/// Numbers of images. The last four add up to the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageItem {
    /// The repository or namespace; empty for all images.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// All.
    pub images: u64,
    /// Members of a class.
    pub member: u64,
    /// Images on a known image that no class follows.
    pub known_base: u64,
    /// Images with claims about their base alone.
    pub claimed: u64,
    /// The others.
    pub unknown: u64,
}

/// A class that images claim to be built on, without the proof of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedClass {
    /// The class.
    pub name: String,
    /// The number of images that claim to be built on the tag that the class follows, and are no members.
    pub claimed: u64,
}

/// A beginning that several images share, and at which no known image ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnknownBase {
    /// The chain ID, by which a class can follow it.
    pub chain_id: Digest,
    /// The kind of digest that identifies the layers.
    pub layer_identity: LayerIdentity,
    /// The number of layers.
    pub layers: u32,
    /// The number of images that begin so.
    pub images: u64,
    /// Some of their repositories, at most three.
    pub repositories: Vec<String>,
    /// The bases that most of them claim, at most three. Of very many images, a thousand are looked at.
    pub claims: Vec<BaseClaim>,
}

/// A base that images claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaseClaim {
    /// The name of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The number of images that claim it.
    pub images: u64,
}
