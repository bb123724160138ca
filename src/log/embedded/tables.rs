//! The tables of the file.

use redb::TableDefinition;

use crate::log::{Offset, TopicPartition};
use crate::record::Topic;

/// The key of a block: topic, partition, the offset of its first record.
pub(super) type Key = (u8, u16, u64);
/// An extent: the offset of the next record, the records since a compaction, all records, all blocks; and the checksum.
pub(super) type Row = (u64, u64, u64, u64, u32);

/// Maps the place of a block to the block.
pub(super) const BLOCKS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("blocks");
/// Maps (topic, partition) to an extent.
pub(super) const EXTENTS: TableDefinition<'_, (u8, u16), Row> = TableDefinition::new("extents");
/// Maps a name to a number: `format`, `partitions`, and `check`, the checksum of both; and what `history.rs` notes.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The number of a topic in the file. Never changed, never reused.
pub(super) const fn number(topic: Topic) -> u8 {
    match topic {
        Topic::Images => 1,
        Topic::Tags => 2,
        Topic::Catalog => 3,
        Topic::Buildconfigs => 4,
        Topic::Classifications => 5,
        Topic::Outdated => 6,
        Topic::Progress => 7,
        Topic::DeadLetters => 8,
        Topic::Rebuilds => 9,
        Topic::Workloads => 10,
        Topic::Decisions => 11,
        Topic::Admissions => 12,
    }
}

pub(super) fn topic(number_in_file: u8) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| number(*topic) == number_in_file)
}

pub(super) fn key(at: TopicPartition, offset: Offset) -> Key {
    (number(at.topic), at.partition, offset)
}
