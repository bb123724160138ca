//! Topic `progress`: the progress of each processor. A processor writes it in the same batch as its conclusions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Topic, Value};

/// The checkpoint of one partition's processor: the next offset to read of each of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressRecord {
    /// The partition.
    pub partition: u16,
    /// The number of partitions. A processor refuses another number, which would place images elsewhere. 0 while a
    /// migration still copies records into these topics.
    pub partitions: u16,
    /// Batch counter of this partition.
    pub sequence: u64,
    /// Next offset of `images`.
    pub images: u64,
    /// Next offset of `tags`.
    pub tags: u64,
    /// Next offset of `catalog`.
    pub catalog: u64,
    /// A random number below 2^53, chosen when the partition was first processed. It distinguishes the topics from
    /// others that once had their names. Absent before anything was processed, and in the first records of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<u64>,
}

impl ProgressRecord {
    /// Returns the progress of a partition of which nothing was processed.
    pub const fn beginning(partition: u16, partitions: u16) -> Self {
        Self { partition, partitions, sequence: 0, images: 0, tags: 0, catalog: 0, lineage: None }
    }

    /// Returns the progress of a partition that a migration still copies records into.
    pub const fn unfinished(partition: u16) -> Self {
        Self::beginning(partition, 0)
    }

    /// Returns `true` if a migration still copies records into the partition.
    pub const fn is_unfinished(&self) -> bool {
        self.partitions == 0
    }
}

impl Value for ProgressRecord {
    const TOPIC: Topic = Topic::Progress;
    const TYPE: &'static str = "dev.clade.progress.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.partition, self.sequence)
    }
}
