//! Questions and their answers, from what the view holds. No I/O: the read API and the command line both ask here.

pub mod answer;
mod explain;
mod filter;
mod items;
pub mod lineage;
mod list;
mod names;
mod plan;
mod reference;
mod usage;

pub use filter::Filter;
pub use reference::{RefError, Resolved};

use crate::shard::Shard;
use crate::view::Snapshot;

/// One question's view of everything: nothing changes while it is answered.
pub struct Query {
    snapshot: Snapshot,
}

impl Query {
    /// Asks `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.snapshot.shards()
    }

    fn shard(&self, partition: usize) -> Option<&Shard> {
        self.snapshot.partition(partition).map(|committed| &committed.shard)
    }

    fn holding(&self, image: &crate::oci::Digest) -> Option<&Shard> {
        self.snapshot.locate(image)
    }
}
