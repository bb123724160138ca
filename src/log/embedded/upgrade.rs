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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::path::Path;

    use redb::Database;

    use super::*;
    use crate::log::embedded::tables::META;
    use crate::log::embedded::{EmbeddedLog, Options, Restoring, check};
    use crate::log::{Log as _, LogError, TopicPartition, for_each};
    use crate::record::Topic;

    const FRAME: &[u8] = b"\x01\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\0\0";
    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 2 };

    /// A file as the versions up to 0.2 write it: of five records a compaction has left those at these offsets.
    fn write(path: &Path, offsets: &[u64]) {
        let transaction = Database::create(path).unwrap();
        let transaction = transaction.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(META).unwrap();
            meta.insert("format", 1).unwrap();
            meta.insert("partitions", 3).unwrap();
            let mut records = transaction.open_table(RECORDS).unwrap();
            for offset in offsets {
                records.insert((1, 2, *offset), FRAME).unwrap();
            }
            transaction.open_table(PARTITIONS).unwrap().insert((1, 2), (5, 1, 1)).unwrap();
        }
        transaction.commit().unwrap();
    }

    #[test]
    fn a_file_of_the_first_format_stays_readable_and_its_records_are_counted_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("log.redb"), &[1, 4]);
        for _ in 0..2 {
            let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
            assert_eq!((log.partitions(), log.end(IMAGES).unwrap()), (3, 5));
            let mut offsets = Vec::new();
            for_each(&log, IMAGES, |stored| offsets.push(stored.offset)).unwrap();
            assert_eq!(offsets, [1, 4]);
        }
        let checked = check(dir.path(), "test", |_, _| {}).unwrap();
        assert_eq!(checked.many(), 0, "{checked:?}");
        let found = &checked.partitions[0];
        assert_eq!((found.of, found.records, found.without_checksum, found.end), (IMAGES, 2, 2, 5));
    }

    #[test]
    fn a_copy_keeps_records_of_the_first_format_as_they_are() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(&dir.path().join("log.redb"), &[1, 4]);
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        let mut restoring = Restoring::begin(copy.path()).unwrap();
        log.copies().unwrap().copy(&mut |piece| restoring.take(piece)).unwrap();
        assert_eq!(restoring.finish(|_, _| {}).unwrap().records, 2);
        let checked = check(copy.path(), "test", |_, _| {}).unwrap();
        let found = &checked.partitions[0];
        assert_eq!((found.of, found.records, found.without_checksum, found.end), (IMAGES, 2, 2, 5));
    }

    #[test]
    fn a_file_of_the_first_format_with_a_record_beyond_its_end_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("log.redb"), &[1, 5]);
        let opened = EmbeddedLog::open(dir.path(), Options::default()).map(drop);
        assert!(matches!(opened, Err(LogError::Damaged { .. })), "{opened:?}");
    }
}
