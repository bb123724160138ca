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
    /// How many partitions there are. Another number would send images elsewhere: the processor refuses it.
    pub partitions: u16,
    /// Counts the batches of this partition.
    pub sequence: u64,
    /// Next offset of `images`.
    pub images: u64,
    /// Next offset of `tags`.
    pub tags: u64,
    /// Next offset of `catalog`.
    pub catalog: u64,
}

impl Value for ProgressRecord {
    const TOPIC: Topic = Topic::Progress;
    const TYPE: &'static str = "dev.clade.progress";
    const VERSION: u32 = 1;
    fn id(&self) -> String {
        format!("{}@{}", self.partition, self.sequence)
    }
}
