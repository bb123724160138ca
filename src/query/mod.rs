//! Answers queries from the view. No I/O: the read API and the command line both use it.

pub mod answer;
mod claims;
mod coverage;
mod explain;
mod filter;
mod items;
mod judged;
pub mod lineage;
mod list;
mod names;
mod page;
mod plan;
mod pulled;
mod reference;
mod resolve;
mod running;
mod standing;
mod suggest;
mod unknown;
mod usage;
mod verdict;
mod versions;
mod workloads;

pub use coverage::CoverageBy;
pub use filter::Filter;
pub use judged::{Tally, VerdictCounts, WorkloadVerdict, WorkloadVerdicts, WorkloadsRequest};
pub use page::{
    Cut, Effort, Images, Items, Listed, More, Named, Page, Position, Sort, Tags, Token, TokenError,
};
pub use reference::{RefError, Resolved};
pub use standing::Standing;
pub use verdict::{NamedPolicy, Unseen, VerdictRequest};
pub use versions::Versions;
pub use workloads::{RunningCount, WorkloadCounts};

use crate::record::ProgressRecord;
use crate::shard::Shard;
use crate::view::Snapshot;

/// A consistent view of everything for one query: nothing changes while it is answered.
pub struct Query {
    snapshot: Snapshot,
}

impl Query {
    /// Returns a query on `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }

    /// The offsets of the log up to which the answer has everything: for each partition those of `images`, `tags` and
    /// `catalog`.
    pub fn resource_version(&self) -> String {
        let of =
            |progress: &ProgressRecord| format!("{}.{}.{}", progress.images, progress.tags, progress.catalog);
        let partitions: Vec<String> =
            self.snapshot.partitions().map(|committed| of(&committed.progress)).collect();
        partitions.join(",")
    }

    /// The state of the index as text: two answers to one question from one state are the same.
    pub fn state(&self) -> String {
        let lineages = self.snapshot.partitions().map(|committed| committed.progress.lineage);
        let workloads = self.snapshot.workloads().offset;
        format!("{} {:?} {workloads}", self.resource_version(), lineages.collect::<Vec<_>>())
    }

    /// Returns `true` if all partitions have come equally far in the catalog: else some know a class that others do not.
    pub fn has_one_catalog(&self) -> bool {
        let mut offsets = self.snapshot.partitions().map(|committed| committed.progress.catalog);
        let first = offsets.next();
        offsets.all(|offset| Some(offset) == first)
    }

    /// Returns `true` if the workloads were read as a whole. Those of a past never are.
    pub fn knows_workloads(&self) -> bool {
        self.snapshot.workloads().is_whole
    }

    /// A text that stays the same as long as the counts of what runs do.
    pub fn state_of_running(&self) -> String {
        format!("{} {}", self.snapshot.workloads().offset, self.state())
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
