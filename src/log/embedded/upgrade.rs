//! Brings a file of format 1 to the present one.

use std::collections::BTreeMap;

use redb::{ReadableTable as _, WriteTransaction};

use super::extent::{self, Extent};
use super::fault::Fault;
use super::tables::{EXTENTS, PARTITIONS, RECORDS};

/// Counts the records of every partition, and keeps the numbers from now on. It reads the whole file, once; the records
/// stay as they are, without checksums.
pub(super) fn count_records(transaction: &WriteTransaction) -> Result<(), Fault> {
    let mut extents: BTreeMap<(u8, u16), Extent> = BTreeMap::new();
    for row in transaction.open_table(PARTITIONS)?.iter()? {
        let (at, row) = row?;
        let (end, since, _) = row.value();
        extents.insert(at.value(), Extent { end, since, live: 0 });
    }
    for record in transaction.open_table(RECORDS)?.iter()? {
        let (at, _) = record?;
        let (topic, partition, offset) = at.value();
        match extents.get_mut(&(topic, partition)) {
            Some(extent) if offset < extent.end => extent.live += 1,
            _ => {
                return Err(Fault::damaged(format_args!(
                    "a record of topic {topic} stands at the offset {offset} of partition {partition}, beyond its end"
                )));
            }
        }
    }
    let mut rows = transaction.open_table(EXTENTS)?;
    for (at, extent) in extents {
        extent::put_at(&mut rows, at, extent)?;
    }
    transaction.delete_table(PARTITIONS)?;
    Ok(())
}
