//! Counts the records of a partition, so that clade notices records that are missing.

use redb::{ReadableTable, ReadableTableMetadata as _, Table};

use super::fault::Fault;
use super::tables::{EXTENTS, RECORDS, number, topic};
use crate::checksum;
use crate::log::{Offset, TopicPartition};

/// The extent of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    /// The offset of the next record.
    pub(super) end: Offset,
    /// The number of records appended since the last compaction.
    pub(super) since: u64,
    /// The number of records that stand in the file.
    pub(super) live: u64,
}

type Row = (u64, u64, u64, u32);
type Rows<'txn> = Table<'txn, (u8, u16), Row>;

impl Extent {
    /// The number of records that compactions have removed. It never gets smaller.
    pub(super) fn removed(&self) -> u64 {
        self.end.saturating_sub(self.live)
    }

    /// The number of records that the last compaction has left.
    pub(super) fn kept(&self) -> u64 {
        self.live.saturating_sub(self.since)
    }

    fn checksum(&self, (topic, partition): (u8, u16)) -> u32 {
        let Self { end, since, live } = self;
        let numbers = [end.to_le_bytes(), since.to_le_bytes(), live.to_le_bytes()].concat();
        checksum::of(&[&[topic], &partition.to_le_bytes(), &numbers])
    }

    fn decode(at: (u8, u16), (end, since, live, written): Row) -> Result<Self, Fault> {
        let extent = Self { end, since, live };
        if extent.checksum(at) == written {
            return Ok(extent);
        }
        let (number, partition) = at;
        let name = topic(number).map_or_else(|| format!("topic {number}"), |topic| topic.to_string());
        Err(Fault::damaged(format_args!("the entry of {name}[{partition}] has another checksum")))
    }
}

fn place(of: TopicPartition) -> (u8, u16) {
    (number(of.topic), of.partition)
}

/// The extent of a partition; an empty one if it has none.
pub(super) fn get(rows: &impl ReadableTable<(u8, u16), Row>, of: TopicPartition) -> Result<Extent, Fault> {
    let row = rows.get(place(of))?.map(|row| row.value());
    row.map_or(Ok(Extent::default()), |row| Extent::decode(place(of), row))
}

pub(super) fn put(rows: &mut Rows<'_>, of: TopicPartition, extent: Extent) -> Result<(), Fault> {
    put_at(rows, place(of), extent)
}

pub(super) fn put_at(rows: &mut Rows<'_>, at: (u8, u16), extent: Extent) -> Result<(), Fault> {
    let Extent { end, since, live } = extent;
    rows.insert(at, (end, since, live, extent.checksum(at)))?;
    Ok(())
}

/// The extents of all partitions that have one. redb keeps the number of entries of a table apart from them, so entries
/// that are missing are noticed.
pub(super) fn all(read: &redb::ReadTransaction) -> Result<Vec<(TopicPartition, Extent)>, Fault> {
    let rows = read.open_table(EXTENTS)?;
    let (mut found, mut live, mut all) = (0, 0, Vec::new());
    for row in rows.iter()? {
        let (at, row) = row?;
        let (number, partition) = at.value();
        let extent = Extent::decode((number, partition), row.value())?;
        found += 1;
        live += extent.live;
        if let Some(topic) = topic(number) {
            all.push((TopicPartition { topic, partition }, extent));
        }
    }
    if found != rows.len()? {
        return Err(Fault::damaged(format_args!(
            "it has the entries of {found} partitions instead of {}",
            rows.len()?
        )));
    }
    let records = read.open_table(RECORDS)?.len()?;
    if live != records {
        return Err(Fault::damaged(format_args!(
            "redb counts {records} records in it, where {live} should be"
        )));
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::embedded::tables::key;
    use crate::log::embedded::{EmbeddedLog, Options};
    use crate::log::{Log as _, LogError, Record, for_each, for_each_from};
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 1 };

    fn open(dir: &Path) -> Result<EmbeddedLog, LogError> {
        EmbeddedLog::open(dir, Options::default())
    }

    /// A log of three records.
    fn made(dir: &Path) -> EmbeddedLog {
        let log = open(dir).unwrap();
        let record = |key: u8| Record { key: key.to_string(), value: Some(vec![key]), headers: Vec::new() };
        let batch = (0..3).map(|key| (IMAGES, record(key))).collect();
        log.writer("test").unwrap().append(batch).unwrap();
        log
    }

    fn problem<T>(result: Result<T, LogError>) -> String {
        match result.map(drop) {
            Err(LogError::Damaged { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_that_is_missing_is_noticed_by_whoever_reads_all_and_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let log = made(dir.path());
        let lost = log.shared.store.write("test", |transaction| {
            transaction.open_table(RECORDS)?.remove(key(IMAGES, 1))?;
            Ok(())
        });
        assert!(lost.is_ok());
        assert_eq!(problem(for_each(&log, IMAGES, |_| {})), "of the 3 records of images[1], 2 are found");
        let all = "redb counts 2 records in it, where 3 should be";
        assert_eq!(problem(log.compact()), all);
        for_each_from(&log, IMAGES, 2, |_| std::ops::ControlFlow::Continue(())).unwrap();
        drop(log);
        assert_eq!(problem(open(dir.path())), all);
    }

    #[test]
    fn an_entry_of_a_partition_that_has_changed_is_noticed_at_the_start() {
        for change in [(4, 3, 3), (3, 2, 3), (3, 3, 2)] {
            let dir = tempfile::tempdir().unwrap();
            let log = made(dir.path());
            let changed = log.shared.store.write("test", |transaction| {
                let mut rows = transaction.open_table(EXTENTS)?;
                let (end, since, live) = change;
                let checksum = get(&rows, IMAGES)?.checksum(place(IMAGES));
                rows.insert(place(IMAGES), (end, since, live, checksum))?;
                Ok(())
            });
            assert!(changed.is_ok());
            drop(log);
            assert_eq!(problem(open(dir.path())), "the entry of images[1] has another checksum");
        }
    }
}
