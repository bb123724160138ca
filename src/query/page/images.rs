//! Pages of images. Each item is made when it is written: all of them at once take more memory than the index itself.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use super::candidates::{Below, Candidates};
use super::order::{Place, Position};
use super::{More, Page};
use crate::index::ImageId;
use crate::query::Query;
use crate::query::answer::ImageItem;
use crate::query::filter::{Compiled, Filter};
use crate::query::items::image_item;
use crate::query::reference::{RefError, Resolved};
use crate::shard::Shard;

/// Images of an index, in order. Its JSON is that of a [`List`](crate::query::answer::List) of them.
pub struct Images {
    query: Query,
    pub(super) order: Vec<(u16, ImageId)>,
    pub(super) more: More,
    /// Each item says how many images are based on it.
    counts: bool,
}

/// The parts of the trees that a list is about, by partition.
type Parts = BTreeMap<u16, Vec<Below>>;

impl Query {
    /// The images that match the filter.
    pub fn list_images(self, filter: &Filter, page: &Page) -> Result<Images, RefError> {
        let compiled = self.check(filter)?;
        let (order, more) = self.list_of(&compiled, page, None).map_err(RefError::Invalid)?;
        Ok(Images { query: self, order, more, counts: false })
    }

    /// The images that are based on the images of a REF, or that contain the chain of a chain ID.
    pub fn descendants(self, reference: &str, filter: &Filter, page: &Page) -> Result<Images, RefError> {
        let compiled = self.check(filter)?;
        let resolved = self.anchored(reference, page)?;
        let parts = self.parts_below(&resolved, filter.direct);
        let (order, mut more) = self.list_of(&compiled, page, Some(&parts)).map_err(RefError::Invalid)?;
        more.anchor = Some(resolved.anchor());
        Ok(Images { query: self, order, more, counts: filter.direct })
    }

    /// Resolves the REF of a list, which has to mean the same on all of its pages.
    pub(in crate::query) fn anchored(&self, reference: &str, page: &Page) -> Result<Resolved, RefError> {
        let resolved = self.resolve(reference)?;
        match &page.anchor {
            Some(anchor) if *anchor != resolved.anchor() => {
                Err(RefError::Moved { reference: reference.to_owned() })
            }
            _ => Ok(resolved),
        }
    }

    /// Two platforms of a tag may share a node, or one may lie below the other: each image comes once nevertheless.
    fn parts_below(&self, resolved: &Resolved, direct: bool) -> Parts {
        let mut parts = Parts::new();
        match resolved {
            Resolved::Images(images) => {
                for (shard, node) in images.iter().filter_map(|image| self.node_of(image)) {
                    let part = Below { node, includes_node: false, direct };
                    let of = parts.entry(shard.partition()).or_default();
                    if !of.contains(&part) {
                        of.push(part);
                    }
                }
            }
            Resolved::Chain { partition, node, .. } => {
                if let Some(shard) = self.shard(*partition) {
                    let part = Below { node: *node, includes_node: true, direct };
                    parts.entry(shard.partition()).or_default().push(part);
                }
            }
        }
        parts
    }

    fn list_of(&self, filter: &Compiled<'_>, page: &Page, parts: Option<&Parts>) -> Result<Found, String> {
        let is_meant = |shard: &&Shard| parts.is_none_or(|parts| parts.contains_key(&shard.partition()));
        let of_shard = |shard| {
            let below = parts.and_then(|parts| parts.get(&Shard::partition(shard))).map(Vec::as_slice);
            Candidates::new(shard, filter, page, below)
        };
        let candidates: Vec<Candidates<'_>> = self.shards().filter(is_meant).map(of_shard).collect();
        // Whoever wants everything has to look at everything.
        let bound: usize = candidates.iter().map(Candidates::bound).sum();
        if page.limit.is_none() || bound <= page.effort.few {
            return self.sorted(&candidates, page);
        }
        let walks: Vec<_> =
            candidates.iter().map(|of| of.walk(page.after.as_ref())).collect::<Result<_, _>>()?;
        let (mut order, mut more, mut last) = (Vec::new(), More::default(), None);
        let before = |a: &Place<'_>, b: &Place<'_>| page.sort.compare(a, b).is_lt();
        for (examined, place) in walks.into_iter().kmerge_by(before).enumerate() {
            let matches = place.matches && self.is_at_home(&place);
            if matches && order.len() == page.most() || examined == page.most_examined() {
                more.next = last.as_ref().map(Position::from);
                break;
            }
            if matches {
                order.push((place.partition, place.id));
            }
            last = Some(place);
        }
        let all: Option<usize> = candidates.iter().map(Candidates::count).sum();
        let before = page.seen + order.len() as u64;
        // Items that came or went behind the position are in one number and not in the other.
        more.remaining = match more.next {
            Some(_) => all.map(|all| (all as u64).saturating_sub(before)),
            None => Some(0),
        };
        Ok((order, more))
    }

    /// Looks at all that may match.
    fn sorted(&self, candidates: &[Candidates<'_>], page: &Page) -> Result<Found, String> {
        let mut places: Vec<Place<'_>> = candidates.iter().flat_map(Candidates::all).collect();
        if let Some(after) = &page.after {
            let is_after = page.sort.after(after)?;
            places.retain(is_after);
        }
        places.sort_unstable_by(|a, b| page.sort.compare(a, b));
        places.dedup_by(|a, b| a.digest == b.digest && a.partition == b.partition);
        places.retain(|place| self.is_at_home(place));
        let cut = page.cut_rest(places, |place| Position::from(place));
        Ok((cut.items.iter().map(|place| (place.partition, place.id)).collect(), cut.more))
    }

    /// An image whose layers were told anew is in two partitions until both have heard of it: one of them counts.
    fn is_at_home(&self, place: &Place<'_>) -> bool {
        self.holding(place.digest).is_some_and(|shard| shard.partition() == place.partition)
    }

    pub(crate) fn node_of(&self, image: &crate::oci::Digest) -> Option<(&Shard, crate::index::NodeId)> {
        let shard = self.holding(image)?;
        Some((shard, shard.image(image)?.node?))
    }
}

/// The images of a page, by partition and number.
type Found = (Vec<(u16, ImageId)>, More);

impl Images {
    /// The images.
    pub fn iter(&self) -> impl Iterator<Item = ImageItem> {
        self.order.iter().filter_map(|(partition, id)| {
            let shard = self.query.shard(usize::from(*partition))?;
            let item = image_item(shard, &shard.view(*id));
            let descendants = self.counts.then(|| descendants_of(shard, *id));
            Some(ImageItem { descendants, ..item })
        })
    }
}

/// The number of images that are based on an image.
fn descendants_of(shard: &Shard, id: ImageId) -> u64 {
    let index = shard.index();
    let Some(node) = index.node(id) else { return 0 };
    u64::from(index.count(node)) - index.images_at(node).count() as u64
}
