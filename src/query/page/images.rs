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
}

/// The parts of the trees that a list is about, by partition.
type Parts = BTreeMap<u16, Vec<Below>>;

impl Query {
    /// The images that match the filter.
    pub fn list_images(self, filter: &Filter, page: &Page) -> Result<Images, RefError> {
        let compiled = self.check(filter)?;
        let (order, more) = self.find_images(&compiled, page, None).map_err(RefError::Invalid)?;
        Ok(Images { query: self, order, more })
    }

    /// The images that are based on the images of a REF, or that contain the chain of a chain ID.
    pub fn descendants(self, reference: &str, filter: &Filter, page: &Page) -> Result<Images, RefError> {
        let compiled = self.check(filter)?;
        let parts = self.parts_below(reference)?;
        let (order, more) = self.find_images(&compiled, page, Some(&parts)).map_err(RefError::Invalid)?;
        Ok(Images { query: self, order, more })
    }

    /// Two platforms of a tag may share a node, or one may lie below the other: each image comes once nevertheless.
    fn parts_below(&self, reference: &str) -> Result<Parts, RefError> {
        let mut parts = Parts::new();
        match self.resolve(reference)? {
            Resolved::Images(images) => {
                for (shard, node) in images.iter().filter_map(|image| self.node_of(image)) {
                    let part = Below { node, includes_node: false };
                    let of = parts.entry(shard.partition()).or_default();
                    if !of.contains(&part) {
                        of.push(part);
                    }
                }
            }
            Resolved::Chain { partition, node, .. } => {
                if let Some(shard) = self.shard(partition) {
                    parts.entry(shard.partition()).or_default().push(Below { node, includes_node: true });
                }
            }
        }
        Ok(parts)
    }

    fn find_images(
        &self,
        filter: &Compiled<'_>,
        page: &Page,
        parts: Option<&Parts>,
    ) -> Result<Found, String> {
        let is_meant = |shard: &&Shard| parts.is_none_or(|parts| parts.contains_key(&shard.partition()));
        let of_shard = |shard| {
            let below = parts.and_then(|parts| parts.get(&Shard::partition(shard))).map(Vec::as_slice);
            Candidates::new(shard, filter, page, below)
        };
        let candidates: Vec<Candidates<'_>> = self.shards().filter(is_meant).map(of_shard).collect();
        // Whoever wants everything has to look at everything.
        let bound: usize = candidates.iter().map(Candidates::bound).sum();
        if page.limit.is_none() || bound <= page.effort.few {
            return sorted(&candidates, page);
        }
        let walks: Vec<_> =
            candidates.iter().map(|of| of.walk(page.after.as_ref())).collect::<Result<_, _>>()?;
        let (mut order, mut more, mut last) = (Vec::new(), More::default(), None);
        let before = |a: &Place<'_>, b: &Place<'_>| page.sort.compare(a, b).is_lt();
        for (examined, place) in walks.into_iter().kmerge_by(before).enumerate() {
            if place.matches && order.len() == page.most() || examined == page.most_examined() {
                more.next = last.as_ref().map(Position::from);
                break;
            }
            if place.matches {
                order.push((place.partition, place.id));
            }
            last = Some(place);
        }
        let all: Option<usize> = candidates.iter().map(Candidates::count).sum();
        let before = page.seen + order.len() as u64;
        // Items that came or went behind the position are in one number and not in the other.
        more.remaining = match more.next {
            Some(_) => all.map(|all| (all as u64).saturating_sub(before).max(1)),
            None => Some(0),
        };
        Ok((order, more))
    }

    pub(crate) fn node_of(&self, image: &crate::oci::Digest) -> Option<(&Shard, crate::index::NodeId)> {
        let shard = self.holding(image)?;
        Some((shard, shard.image(image)?.node?))
    }
}

/// Looks at all that may match.
fn sorted(candidates: &[Candidates<'_>], page: &Page) -> Result<Found, String> {
    let mut places: Vec<Place<'_>> = candidates.iter().flat_map(Candidates::all).collect();
    if let Some(after) = &page.after {
        let is_after = page.sort.after(after)?;
        places.retain(is_after);
    }
    places.sort_unstable_by(|a, b| page.sort.compare(a, b));
    places.dedup_by(|a, b| a.digest == b.digest);
    let cut = page.cut_rest(places, |place| Position::from(place));
    Ok((cut.items.iter().map(|place| (place.partition, place.id)).collect(), cut.more))
}

/// The images of a page, by partition and number.
type Found = (Vec<(u16, ImageId)>, More);

impl Images {
    /// The images.
    pub fn iter(&self) -> impl Iterator<Item = ImageItem> {
        self.order.iter().filter_map(|(partition, id)| {
            let shard = self.query.shard(usize::from(*partition))?;
            Some(image_item(shard, &shard.view(*id)))
        })
    }
}
