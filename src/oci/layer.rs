//! Layers and the chains they form (OCI image-spec, config.md "Layer ChainID").

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::digest::{Digest, DigestError};

/// Which of its two digests a layer is known by. The two are never mixed inside one chain.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LayerIdentity {
    /// The digest of the layer as stored, usually compressed: manifest `layers[].digest`.
    #[default]
    Blob,
    /// The digest of the uncompressed tar: config `rootfs.diff_ids[]`.
    DiffId,
}

/// The layers that carry no content, by either digest. They are left out of every chain.
///
/// In order: gzip of an empty tar as docker schema 1 repeats it, gzip of an empty tar as buildkit and moby write it,
/// the diff ID of both (1,024 zero bytes), the digest of no bytes at all, and the diff ID of an empty tar as Python and GNU
/// tar fill it up (10,240 zero bytes).
pub const EMPTY_LAYERS: [&str; 5] = [
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652",
];

const EMPTY_DIGESTS: [Digest; 5] = [
    Digest::constant(EMPTY_LAYERS[0]),
    Digest::constant(EMPTY_LAYERS[1]),
    Digest::constant(EMPTY_LAYERS[2]),
    Digest::constant(EMPTY_LAYERS[3]),
    Digest::constant(EMPTY_LAYERS[4]),
];

/// Whether the layer with this digest carries no content.
pub fn is_empty_layer(layer: &Digest) -> bool {
    EMPTY_DIGESTS.contains(layer)
}

/// The non-empty layers of one image, base first, and what they are known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayerChain {
    identity: LayerIdentity,
    layers: Vec<Digest>,
}

impl LayerChain {
    /// The chain of an image with these layers, base first. Empty layers are dropped here and nowhere else.
    pub fn new(identity: LayerIdentity, layers: impl IntoIterator<Item = Digest>) -> Self {
        Self { identity, layers: layers.into_iter().filter(|layer| !is_empty_layer(layer)).collect() }
    }

    /// What the layers are known by.
    pub fn identity(&self) -> LayerIdentity {
        self.identity
    }

    /// The layers, base first.
    pub fn layers(&self) -> &[Digest] {
        &self.layers
    }

    /// The layer that decides where the image is kept: related images share it. `None` without layers.
    pub fn first(&self) -> Option<&Digest> {
        self.layers.first()
    }

    /// The chain ID of every prefix, shortest first: the proposal's `ImageChain.chains`.
    pub fn chain_ids(&self) -> impl Iterator<Item = ChainId> {
        let mut chain = None;
        self.layers.iter().map(move |layer| {
            let next = chain.map_or(ChainId(*layer), |below: ChainId| below.append(layer));
            chain = Some(next);
            next
        })
    }

    /// The chain ID of all layers together: the image's last chain. `None` without layers.
    pub fn last(&self) -> Option<ChainId> {
        self.chain_ids().last()
    }
}

/// The identity of a stack of layers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChainId(Digest);

impl ChainId {
    /// `ChainID(L0) = L0`.
    pub const fn first(layer: Digest) -> Self {
        Self(layer)
    }

    /// `ChainID(L0|…|Ln) = SHA256(ChainID(L0|…|Ln-1) + " " + Ln)`, over the full texts with their prefix.
    #[must_use]
    pub fn append(&self, layer: &Digest) -> Self {
        let hash = Sha256::new().chain_update(self.0.text()).chain_update(b" ").chain_update(layer.text());
        Self(Digest::from_bytes(hash.finalize().into()))
    }

    /// The chain ID as the digest that it is written as.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl From<Digest> for ChainId {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl FromStr for ChainId {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Digest {
        text.parse().unwrap()
    }

    /// The vectors of opencontainers/image-spec `identity/chainid_test.go`, which are hashes of texts, not of digests
    /// alone; the two-layer case is the rule itself over full digests.
    #[test]
    fn a_chain_id_hashes_the_chain_below_a_space_and_the_layer_as_full_texts() {
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let chain = LayerChain::new(LayerIdentity::DiffId, [a, b, c]);
        let two = Digest::of(format!("{a} {b}").as_bytes());
        let three = Digest::of(format!("{two} {c}").as_bytes());
        let ids: Vec<_> = chain.chain_ids().map(|id| *id.digest()).collect();
        assert_eq!(ids, [a, two, three]);
        assert_eq!(chain.last(), Some(ChainId(three)));
    }

    #[test]
    fn the_empty_layers_are_what_their_contents_hash_to() {
        assert_eq!(EMPTY_LAYERS[2], Digest::of(&[0; 1024]).to_string());
        assert_eq!(EMPTY_LAYERS[3], Digest::of(b"").to_string());
        assert_eq!(EMPTY_LAYERS[4], Digest::of(&[0; 10_240]).to_string());
    }

    #[test]
    fn empty_layers_are_left_out_of_a_chain_wherever_they_stand() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let empties = EMPTY_LAYERS.map(layer);
        let mixed = [empties[0], a, empties[1], empties[2], b, empties[3], empties[4]];
        assert_eq!(LayerChain::new(LayerIdentity::Blob, mixed), LayerChain::new(LayerIdentity::Blob, [a, b]));
    }

    #[test]
    fn an_image_with_no_or_only_empty_layers_has_no_chain() {
        let only_empty = LayerChain::new(LayerIdentity::Blob, EMPTY_LAYERS.map(layer));
        assert_eq!(only_empty.last(), None);
        assert_eq!(only_empty.first(), None);
    }

    #[test]
    fn a_layer_that_stands_twice_counts_twice() {
        let a = Digest::of(b"a");
        let twice = LayerChain::new(LayerIdentity::Blob, [a, a]);
        assert_eq!(twice.layers().len(), 2);
        assert_ne!(twice.last(), LayerChain::new(LayerIdentity::Blob, [a]).last());
    }

    #[test]
    fn order_counts_in_a_chain() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let chain = |layers: [Digest; 2]| LayerChain::new(LayerIdentity::Blob, layers).last();
        assert_ne!(chain([a, b]), chain([b, a]));
    }
}
