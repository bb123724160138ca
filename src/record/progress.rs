//! Topic `progress`: how far each processor is. Written in the same batch as what it concluded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Topic, Value};

/// The checkpoint of one partition's processor: the next offset to read of each of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressRecord {
    /// The partition.
    pub partition: u16,
    /// How many partitions there are. Another number would send images elsewhere: the processor refuses it. 0 while
    /// everything is being copied into these topics from others.
    pub partitions: u16,
    /// Counts the batches of this partition.
    pub sequence: u64,
    /// Next offset of `images`.
    pub images: u64,
    /// Next offset of `tags`.
    pub tags: u64,
    /// Next offset of `catalog`.
    pub catalog: u64,
    /// Chosen by chance when the partition was first processed, below 2^53: tells the topics from others that once had
    /// their names. Absent before anything was processed, and in the first records of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<u64>,
}

impl ProgressRecord {
    /// Of a partition of which nothing was processed.
    pub const fn beginning(partition: u16, partitions: u16) -> Self {
        Self { partition, partitions, sequence: 0, images: 0, tags: 0, catalog: 0, lineage: None }
    }

    /// Of a partition into which not everything has been copied yet.
    pub const fn unfinished(partition: u16) -> Self {
        Self::beginning(partition, 0)
    }

    /// Whether not everything has been copied into the partition yet.
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
