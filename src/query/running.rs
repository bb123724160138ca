//! Resolves what runs (docs/concepts.md, section 8): by the digest of a manifest, else by the digest of an index and the
//! platform of the node, else by image ID.

use std::collections::{BTreeSet, HashMap};

use super::Query;
use super::reference::called;
use crate::oci::{Digest, Platform, Reference};
use crate::record::WorkloadImage;
use crate::shard::Shard;

/// Resolves images; workloads share most of them.
pub(super) struct Running<'q> {
    query: &'q Query,
    known: HashMap<(Sought, Option<Platform>), Vec<Digest>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sought {
    Digest(Digest),
    Name(String),
}

impl<'q> Running<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        Self { query, known: HashMap::new() }
    }

    /// The images that an image of a workload is: what runs, or what was asked for where nothing has started.
    pub(super) fn images(&mut self, of: &WorkloadImage) -> Vec<Digest> {
        let asked = || of.asked.parse::<Reference>().ok().and_then(|asked| asked.digest);
        let sought = match of.running.map(|running| running.digest).or_else(asked) {
            Some(digest) => Sought::Digest(digest),
            None => Sought::Name(of.asked.clone()),
        };
        let query = self.query;
        let key = (sought, of.platform.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = match &key.0 {
            Sought::Digest(digest) => by_digest(query, *digest, of.platform.as_ref()),
            Sought::Name(name) => {
                let images = query.resolve_tag(name).unwrap_or_default();
                on_platform(query, images, of.platform.as_ref())
            }
        };
        self.known.insert(key, found.clone());
        found
    }
}

fn by_digest(query: &Query, digest: Digest, platform: Option<&Platform>) -> Vec<Digest> {
    if query.holding(&digest).is_some() {
        return vec![digest];
    }
    let tags = query.shards().flat_map(|shard| shard.tags_of(&digest));
    let of_index: BTreeSet<Digest> =
        tags.flat_map(|tag| tag.images.iter().map(|image| image.digest)).collect();
    if !of_index.is_empty() {
        let seen = of_index.into_iter().filter(|image| query.holding(image).is_some()).collect();
        return on_platform(query, seen, platform);
    }
    let id = digest.hex();
    let mut images: Vec<Digest> = query.shards().flat_map(|shard| called(shard, &id)).collect();
    images.sort_unstable();
    images
}

/// The images that run on a platform. Nodes do not tell a variant, so all of them count.
fn on_platform(query: &Query, mut images: Vec<Digest>, platform: Option<&Platform>) -> Vec<Digest> {
    let runs = |shard: &Shard, image: &Digest| {
        let found = shard.image(image).map(|image| image.platform);
        found.is_some_and(|found| platform.is_none_or(|platform| found.matches(platform)))
    };
    images.retain(|image| query.holding(image).is_some_and(|shard| runs(shard, image)));
    images
}
