//! Explains the classes, bases and claims of an image.

use super::Query;
use super::answer::{Base, ClaimItem, ClassStanding, Explanation, LayerItem, Newer};
use super::items::{bases, bases_at, equivalents, image_item};
use super::reference::RefError;
use crate::index::NodeId;
use crate::oci::{LayerChain, Platform, Reference};
use crate::record::State;
use crate::record::image::Evidence;
use crate::shard::{ImageView, Shard};

impl Query {
    /// The explanation of each image that a REF names.
    pub fn explain(&self, reference: &str) -> Result<Vec<Explanation>, RefError> {
        let images = self.images(reference)?;
        let explained = images.iter().filter_map(|digest| {
            let shard = self.holding(digest)?;
            Some(self.explanation(shard, &shard.image(digest)?))
        });
        Ok(explained.collect())
    }

    /// The explanation of the one image that a digest, an image ID or the beginning of either names.
    pub fn explain_one(&self, reference: &str) -> Result<Explanation, RefError> {
        let (shard, image) = self.one(reference)?;
        Ok(self.explanation(shard, &image))
    }

    fn explanation(&self, shard: &Shard, image: &ImageView<'_>) -> Explanation {
        let item = image_item(shard, image);
        let bases = bases(shard, image);
        let equivalents = equivalents(shard, image);
        let descendants = image.node.map_or(0, |node| {
            u64::from(shard.index().count(node)) - shard.index().images_at(node).count() as u64
        });
        let newer: Vec<Newer> =
            item.classes.iter().filter_map(|of| newer(shard, &image.platform, of)).collect();
        let claims: Vec<ClaimItem> = image
            .claims
            .iter()
            .map(|claim| ClaimItem {
                by_layers: self.by_layers(claim, shard, image).to_owned(),
                claim: claim.clone(),
            })
            .collect();
        Explanation {
            layer_identity: image.node.map(|node| shard.index().identity(node)).unwrap_or_default(),
            layers: layers(shard, image),
            coverage: shard.coverage_of(image).as_str().to_owned(),
            verdict: verdict(image, &item.classes, &bases, &claims),
            image: item,
            bases,
            equivalents,
            descendants,
            claims,
            newer,
        }
    }
}

fn layers(shard: &Shard, image: &ImageView<'_>) -> Vec<LayerItem> {
    let Some(node) = image.node else { return Vec::new() };
    let nodes: Vec<NodeId> = std::iter::once(node).chain(shard.index().ancestors(node)).collect();
    let chain = LayerChain::new(shard.index().identity(node), shard.index().layers(node));
    let mut items = Vec::new();
    for (depth, (layer, chain_id)) in (1_u32..).zip(chain.layers().iter().zip(chain.chain_ids())) {
        let ending = nodes.iter().copied().find(|node| shard.index().depth(*node) == depth);
        let mut images: Vec<Base> = ending.map(|node| bases_at(shard, node)).unwrap_or_default();
        images.retain(|base| base.digest != image.digest);
        let sizes =
            ending.into_iter().flat_map(|node| shard.index().images_at(node)).filter_map(|id| shard.size(id));
        items.push(LayerItem {
            depth,
            layer: *layer,
            chain_id: *chain_id.digest(),
            size: if depth == image.layers { image.size } else { sizes.min() },
            images,
            classes: ending.map(|node| shard.classes_at(node)).unwrap_or_default(),
        });
    }
    items
}

/// The class's current version beside the one that the image is built on.
fn newer(shard: &Shard, platform: &Platform, standing: &ClassStanding) -> Option<Newer> {
    if standing.state == State::Current {
        return None;
    }
    let replaced = shard.catalog().class(&standing.name)?.replaced(&standing.version, platform)?;
    Some(Newer {
        class: standing.name.clone(),
        version: standing.version,
        since: replaced.since,
        outdated_since: replaced.outdated_since,
        at_least: replaced.at_least,
        current: standing.current,
        versions_behind: replaced.versions_behind,
    })
}

fn verdict(image: &ImageView<'_>, classes: &[ClassStanding], bases: &[Base], claims: &[ClaimItem]) -> String {
    let nearest: Vec<&ClassStanding> = classes.iter().filter(|standing| standing.nearest).collect();
    if let [first, ..] = nearest[..] {
        let names: Vec<String> =
            nearest.iter().map(|standing| format!("{} ({})", standing.name, standing.state)).collect();
        let (names, version) = (names.join(", "), first.version.short());
        // An image that a class follows, or one with the same layers, is not built on itself.
        if first.depth == image.layers {
            let is_it = nearest.iter().any(|standing| standing.version == image.digest);
            return if is_it {
                format!("is a version of class {names}")
            } else {
                format!("has the very layers of {version}, a version of class {names}")
            };
        }
        return match first.depth {
            1 => format!("built on class {names}: the first layer is that of {version}"),
            depth => format!("built on class {names}: the first {depth} layers are those of {version}"),
        };
    }
    if image.node.is_none() {
        return "has no layers: based on nothing, and nothing is based on it".to_owned();
    }
    if let [base, ..] = bases {
        // The tag of the base that the makers of the image name, or else the first one.
        let is_claimed = |tag: &&String| {
            let name = Reference::familiar(tag);
            claims.iter().any(|of| of.claim.name.as_deref().map(Reference::familiar) == Some(name))
        };
        let tag = base.tags.iter().find(is_claimed).or(base.tags.first());
        return format!(
            "based on {}, which no class follows",
            tag.cloned().unwrap_or_else(|| base.digest.short())
        );
    }
    // Materials of a build are the bases of all its stages: any of them may be the base.
    match claims.iter().min_by_key(|of| of.claim.evidence) {
        Some(of) => format!(
            "unknown by layers; {} {}",
            if of.claim.evidence == Evidence::Provenance { "built with" } else { "claimed:" },
            of.claim.name.clone().or_else(|| of.claim.digest.clone()).unwrap_or_default()
        ),
        None => "unknown by layers: no known image is the beginning of it".to_owned(),
    }
}
