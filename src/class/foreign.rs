//! The memberships of an image that is in no index.

use std::collections::HashMap;

use super::Catalog;
use super::membership::{Candidate, memberships};
use crate::oci::{ChainId, LayerChain, LayerIdentity, Platform};
use crate::record::{Membership, VersionRecord};

impl Catalog {
    /// The memberships of an image with these chains (those of its diff IDs, of its blobs, or of both) by the versions that
    /// `count`. The cost grows with the number of versions.
    pub fn memberships_of(
        &self,
        chains: &[LayerChain],
        platform: &Platform,
        count: impl Fn(&VersionRecord) -> bool,
    ) -> Vec<Membership> {
        let mut depths: HashMap<(LayerIdentity, ChainId), u32> = HashMap::new();
        for chain in chains {
            let ids = (1..).zip(chain.chain_ids());
            depths.extend(ids.map(|(depth, id)| ((chain.identity(), id), depth)));
        }
        let classes = self.classes().flat_map(|class| class.versions().map(move |version| (class, version)));
        let counting = classes.filter(|(_, version)| count(version));
        let images =
            counting.flat_map(|(class, version)| version.images.iter().map(move |of| (class, version, of)));
        let candidates = images.filter_map(|(class, version, image)| {
            let mut ends = image.chains().filter_map(|chain| Some((chain.identity(), chain.last()?)));
            let depth = ends.find_map(|end| depths.get(&end).copied())?;
            Some(Candidate {
                class: &class.record.name,
                generation: class.record.generation,
                version: version.number,
                is_current: class.record.current == Some(version.number),
                digest: image.digest,
                platform: &image.platform,
                depth,
            })
        });
        memberships(candidates, platform)
    }
}
