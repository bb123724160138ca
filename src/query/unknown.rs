//! Finds beginnings that many images share and at which no known image ends: bases that nobody has named.

use std::collections::{BTreeMap, BTreeSet};

use super::Query;
use super::answer::{BaseClaim, UnknownBase};
use crate::index::NodeId;
use crate::oci::LayerChain;
use crate::shard::Shard;

/// Images whose claims and repositories are looked at for one base, at most.
const SAMPLE: usize = 1_000;
/// Claims and repositories of one base that the answer names, at most.
const NAMED: usize = 3;

impl Query {
    /// The beginnings of at least `least` images at which no known image ends, those of most images first, at most
    /// `limit` of them. A beginning counts only if no known image and no class's version is a part of it.
    pub fn unknown_bases(&self, least: u32, limit: usize) -> Vec<UnknownBase> {
        let mut found: Vec<(u32, &Shard, NodeId)> = Vec::new();
        for shard in self.shards() {
            found.extend(candidates(shard, least.max(2)));
            // The answer has `limit` of them; more need not be kept.
            found.sort_by_key(|(images, shard, node)| {
                (std::cmp::Reverse(*images), shard.partition(), shard.index().depth(*node))
            });
            found.truncate(limit);
        }
        found.into_iter().filter_map(|(images, shard, node)| describe(shard, node, images)).collect()
    }
}

fn candidates(shard: &Shard, least: u32) -> impl Iterator<Item = (u32, &Shard, NodeId)> {
    let index = shard.index();
    let is_known = move |node| index.images_at(node).next().is_some() || shard.is_version(node);
    let nodes = index.nodes_below(is_known);
    let unknown = nodes.filter(move |(node, is_below)| !is_below && !is_known(*node));
    unknown
        .map(move |(node, _)| (index.count(node), shard, node))
        .filter(move |(images, ..)| *images >= least)
}

fn describe(shard: &Shard, node: NodeId, images: u32) -> Option<UnknownBase> {
    let chain = LayerChain::new(shard.index().identity(node), shard.index().layers(node));
    let mut repositories = BTreeSet::new();
    let mut claims: BTreeMap<(Option<String>, Option<String>), u64> = BTreeMap::new();
    for image in shard.index().subtree_images(node).take(SAMPLE).map(|id| shard.view(id)) {
        repositories.extend(image.repositories.iter().cloned());
        let named: BTreeSet<_> =
            image.claims.iter().map(|claim| (claim.name.clone(), claim.digest.clone())).collect();
        for claim in named {
            *claims.entry(claim).or_default() += 1;
        }
    }
    let mut claims: Vec<BaseClaim> =
        claims.into_iter().map(|((name, digest), images)| BaseClaim { name, digest, images }).collect();
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.images));
    claims.truncate(NAMED);
    Some(UnknownBase {
        chain_id: *chain.last()?.digest(),
        layer_identity: chain.identity(),
        layers: shard.index().depth(node),
        images: u64::from(images),
        repositories: repositories.into_iter().take(NAMED).collect(),
        claims,
    })
}
