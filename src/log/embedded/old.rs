//! The tables of the formats 1 and 2. There every record stands at its offset, in a frame of its own.

use redb::TableDefinition;

use super::extent::{Extent, changed, checksum_of};
use super::fault::Fault;
use super::tables::Key;
use crate::log::Offset;

/// Maps the place of a record to its frame.
pub(super) const RECORDS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("records");
/// Maps (topic, partition) to an extent without a number of blocks, and its checksum. Files of format 2 have it.
pub(super) const EXTENTS: TableDefinition<'_, (u8, u16), (u64, u64, u64, u32)> =
    TableDefinition::new("extents");
/// Maps (topic, partition) to (end, records appended since the last compaction, records left by it). Files of format 1 have
/// it.
pub(super) const PARTITIONS: TableDefinition<'_, (u8, u16), (u64, u64, u64)> =
    TableDefinition::new("partitions");

/// The extent in a row of format 2.
pub(super) fn second(
    at: (u8, u16),
    (end, since, live, written): (u64, u64, u64, u32),
) -> Result<Extent, Fault> {
    let extent = Extent { end, since, live, blocks: live };
    if checksum_of(at, &[end, since, live]) == written { Ok(extent) } else { Err(changed(at)) }
}

/// The extent of a partition of format 1, of which so many records are found.
pub(super) fn first((end, since, _): (Offset, u64, u64), live: u64) -> Extent {
    Extent { end, since, live, blocks: live }
}
