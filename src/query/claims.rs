//! Compares the claims about the base of an image with its layers (docs/concepts.md, section 8).

use std::collections::HashSet;

use super::Query;
use crate::class::Class;
use crate::declare::{Followed, followed};
use crate::oci::{ChainId, Digest, LayerChain, LayerIdentity};
use crate::record::catalog::ImageChain;
use crate::record::image::Evidence;
use crate::record::{Claim, VersionRecord, canonical_name};
use crate::shard::{ImageView, Shard};

impl Query {
    /// The word of the layers about a claim: `proven` if the claimed base is a beginning of the image, `not-proven` if it is
    /// known and is none, `unknown` if it is not known.
    pub(super) fn by_layers(&self, claim: &Claim, shard: &Shard, image: &ImageView<'_>) -> &'static str {
        let Some(chains) = Chains::of(shard, image) else { return "unknown" };
        if claim.evidence == Evidence::ChainLabel {
            let claimed = claim.digest.as_ref().and_then(|chain| chain.parse::<Digest>().ok());
            let is_proven = claimed.is_some_and(|chain| chains.ids.contains(&ChainId::from(chain)));
            return if is_proven { "proven" } else { "unknown" };
        }
        let named = claim.target();
        let digest = claim.digest.as_ref().and_then(|digest| digest.parse().ok());
        // A digest says which base it was. A tag may have moved since.
        let (mut bases, mut versions) = match digest.or(named.as_ref().and_then(|(_, digest)| *digest)) {
            Some(digest) => (self.known_images(&digest.to_string()), versions_at(shard, digest)),
            None => {
                let bases = claim.name.as_ref().map_or_else(Vec::new, |name| self.known_images(name));
                let tag = named.map(|(tag, _)| tag).unwrap_or_default();
                (bases, versions_of(shard, &tag))
            }
        };
        // Chains of blobs say nothing about chains of diff IDs.
        bases.retain(|base| self.identity_of(base) == Some(chains.identity));
        versions.retain(|version| chains_of(version).any(|chain| chain.identity() == chains.identity));
        let contains = |base: &Digest| *base != image.digest && chains.contain_image(shard, base);
        if bases.iter().any(contains) || versions.iter().any(|version| chains.contain_version(version)) {
            "proven"
        } else if bases.is_empty() && versions.is_empty() {
            "unknown"
        } else {
            "not-proven"
        }
    }

    fn identity_of(&self, image: &Digest) -> Option<LayerIdentity> {
        let shard = self.holding(image)?;
        Some(shard.index().identity(shard.image(image)?.node?))
    }
}

/// The chains of an image.
struct Chains {
    identity: LayerIdentity,
    ids: HashSet<ChainId>,
}

impl Chains {
    fn of(shard: &Shard, image: &ImageView<'_>) -> Option<Self> {
        let node = image.node?;
        let identity = shard.index().identity(node);
        let ids = LayerChain::new(identity, shard.index().layers(node)).chain_ids().collect();
        Some(Self { identity, ids })
    }

    /// A base stands in the same shard.
    fn contain_image(&self, shard: &Shard, base: &Digest) -> bool {
        let node = shard.image(base).and_then(|base| base.node);
        let chain =
            node.map(|node| LayerChain::new(shard.index().identity(node), shard.index().layers(node)));
        chain.is_some_and(|chain| {
            chain.identity() == self.identity && chain.last().is_some_and(|last| self.ids.contains(&last))
        })
    }

    fn contain_version(&self, version: &VersionRecord) -> bool {
        chains_of(version).any(|chain| {
            chain.identity() == self.identity && chain.last().is_some_and(|last| self.ids.contains(&last))
        })
    }
}

fn chains_of(version: &VersionRecord) -> impl Iterator<Item = LayerChain> {
    version.images.iter().flat_map(ImageChain::chains)
}

/// The versions of classes that are this image or image index, or have it.
pub(super) fn versions_at(shard: &Shard, digest: Digest) -> Vec<&VersionRecord> {
    let is_it = |version: &&VersionRecord| {
        version.digest == digest || version.images.iter().any(|image| image.digest == digest)
    };
    shard.catalog().classes().flat_map(Class::versions).map(AsRef::as_ref).filter(is_it).collect()
}

/// The versions of the classes that follow this tag.
pub(super) fn versions_of<'a>(shard: &'a Shard, tag: &str) -> Vec<&'a VersionRecord> {
    let follows = |class: &&Class| matches!(followed(&class.record.from), Ok(Followed::Tag(name)) if canonical_name(&name) == tag);
    shard.catalog().classes().filter(follows).flat_map(Class::versions).map(AsRef::as_ref).collect()
}
