//! Explains the classes, bases and claims of an image.

use std::collections::BTreeSet;

use super::Query;
use super::answer::{Base, ClaimItem, ClassStanding, Explanation, LayerItem, Newer};
use super::items::{bases, bases_at, equivalents, image_item};
use super::reference::RefError;
use crate::class::Class;
use crate::index::NodeId;
use crate::oci::{Digest, LayerChain, Platform, Reference};
use crate::record::{Claim, State};
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
                by_layers: self.check_claim(claim, shard, image).to_owned(),
                claim: claim.clone(),
            })
            .collect();
        Explanation {
            layer_identity: image.node.map(|node| shard.index().identity(node)).unwrap_or_default(),
            layers: layers(shard, image),
            verdict: verdict(image, &item.classes, &bases, &claims),
            image: item,
            bases,
            equivalents,
            descendants,
            claims,
            newer,
        }
    }

    /// Compares a claim with the layers.
    fn check_claim(&self, claim: &Claim, shard: &Shard, image: &ImageView<'_>) -> &'static str {
        let claimed = self.claimed_images(claim);
        let Some(node) = image.node else { return "unknown" };
        let proven: BTreeSet<Digest> = std::iter::once(node)
            .chain(shard.index().ancestors(node))
            .flat_map(|node| shard.index().images_at(node))
            .map(|id| *shard.index().digest(id))
            .collect();
        let by_class = shard.catalog().classes().any(|class| {
            claim.name.as_deref().is_some_and(|name| follows(class, name))
                && image.classification.is_some_and(|of| of.of_class(&class.record.name).is_some())
        });
        if by_class || claimed.iter().any(|digest| *digest != image.digest && proven.contains(digest)) {
            "proven"
        } else if claimed.is_empty() {
            "unknown"
        } else {
            "not-proven"
        }
    }

    /// The images that a claim names, if clade knows them.
    fn claimed_images(&self, claim: &Claim) -> Vec<Digest> {
        let named = claim.name.iter().filter_map(|name| self.images(name).ok());
        let digested = claim.digest.iter().filter_map(|digest| self.images(digest).ok());
        named.chain(digested).flatten().collect()
    }
}

/// Returns `true` if the class follows the base of this name.
fn follows(class: &Class, name: &str) -> bool {
    Reference::familiar(&class.record.from.name) == Reference::familiar(name)
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
        items.push(LayerItem {
            depth,
            layer: *layer,
            chain_id: *chain_id.digest(),
            images,
            classes: ending.map(|node| shard.classes_at(node)).unwrap_or_default(),
        });
    }
    items
}

/// Counts the moves of the class that gave the image's platform another image, or took it away. A base that is pushed for one platform only
/// leaves the images of the others as far behind as they were.
fn newer(shard: &Shard, platform: &Platform, standing: &ClassStanding) -> Option<Newer> {
    if standing.state == State::Current {
        return None;
    }
    let class = shard.catalog().class(&standing.name)?;
    let built_on = class
        .versions()
        .filter(|version| version.images.iter().any(|image| image.digest == standing.version))
        .max_by_key(|version| version.age())?;
    let mut newer = Newer {
        class: standing.name.clone(),
        version: standing.version,
        since: class.current()?.since?,
        outdated_since: class.current()?.since?,
        at_least: false,
        current: standing.current,
        versions_behind: 0,
    };
    let mut last = built_on.image_for(platform);
    let mut later: Vec<_> = class.versions().filter(|version| version.age() > built_on.age()).collect();
    later.sort_unstable_by_key(|version| version.age());
    let mut replaced = None;
    for version in later {
        let image = version.image_for(platform);
        if image == last {
            continue;
        }
        newer.versions_behind += 1;
        if let Some(since) = version.since {
            newer.since = since;
            replaced.get_or_insert(since);
        }
        last = image;
    }
    // A version without a time may have ended long before the first one with a time began.
    newer.at_least = built_on.since.is_none();
    newer.outdated_since = replaced.unwrap_or(newer.since);
    Some(newer)
}

fn verdict(image: &ImageView<'_>, classes: &[ClassStanding], bases: &[Base], claims: &[ClaimItem]) -> String {
    let nearest: Vec<&ClassStanding> = classes.iter().filter(|standing| standing.nearest).collect();
    if let [first, ..] = nearest[..] {
        let names: Vec<String> =
            nearest.iter().map(|standing| format!("{} ({})", standing.name, standing.state)).collect();
        return format!(
            "built on class {}: the first {} layers are those of {}",
            names.join(", "),
            first.depth,
            first.version.short()
        );
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
    match claims.first() {
        Some(claim) => format!(
            "unknown by layers; claimed: {}",
            claim.claim.name.clone().or_else(|| claim.claim.digest.clone()).unwrap_or_default()
        ),
        None => "unknown by layers: no known image is the beginning of it".to_owned(),
    }
}
