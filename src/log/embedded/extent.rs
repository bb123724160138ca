//! Counts the records and blocks of a partition, so that clade notices those that are missing.

use redb::{ReadableTable, Table};

use super::fault::Fault;
use super::tables::{Row, number, topic};
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
    /// The number of blocks that these records stand in.
    pub(super) blocks: u64,
}

impl Extent {
    /// The number of records that compactions have removed. It never gets smaller.
    pub(super) fn removed(&self) -> u64 {
        self.end.saturating_sub(self.live)
    }

    /// The number of records that the last compaction has left.
    pub(super) fn kept(&self) -> u64 {
        self.live.saturating_sub(self.since)
    }

    fn checksum(&self, at: (u8, u16)) -> u32 {
        let Self { end, since, live, blocks } = self;
        checksum_of(at, &[*end, *since, *live, *blocks])
    }

    pub(super) fn decode(at: (u8, u16), (end, since, live, blocks, written): Row) -> Result<Self, Fault> {
        let extent = Self { end, since, live, blocks };
        if extent.checksum(at) == written { Ok(extent) } else { Err(changed(at)) }
    }
}

/// The checksum of the numbers of a partition.
pub(super) fn checksum_of((topic, partition): (u8, u16), numbers: &[u64]) -> u32 {
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    checksum::of(&[&[topic], &partition.to_le_bytes(), &numbers])
}

/// The fault of an entry that is not what was written.
pub(super) fn changed((number, partition): (u8, u16)) -> Fault {
    let name = topic(number).map_or_else(|| format!("topic {number}"), |topic| topic.to_string());
    Fault::damaged(format_args!("the entry of {name}[{partition}] has another checksum"))
}

/// The place of a partition's entry.
pub(super) fn place(of: TopicPartition) -> (u8, u16) {
    (number(of.topic), of.partition)
}

/// The extent of a partition; an empty one if it has none.
pub(super) fn get(rows: &impl ReadableTable<(u8, u16), Row>, of: TopicPartition) -> Result<Extent, Fault> {
    let row = rows.get(place(of))?.map(|row| row.value());
    row.map_or(Ok(Extent::default()), |row| Extent::decode(place(of), row))
}

pub(super) fn put(
    rows: &mut Table<'_, (u8, u16), Row>,
    of: TopicPartition,
    extent: Extent,
) -> Result<(), Fault> {
    let Extent { end, since, live, blocks } = extent;
    rows.insert(place(of), (end, since, live, blocks, extent.checksum(place(of))))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::embedded::tables::{BLOCKS, EXTENTS, key};
    use crate::log::embedded::{EmbeddedLog, Options};
    use crate::log::{Log as _, LogError, Record, for_each, for_each_from};
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 1 };

    fn open(dir: &Path) -> Result<EmbeddedLog, LogError> {
        EmbeddedLog::open(dir, Options::default())
    }

    /// A log of three records, each in a block of its own.
    fn made(dir: &Path) -> EmbeddedLog {
        let log = open(dir).unwrap();
        let record = |key: u8| Record { key: key.to_string(), value: Some(vec![key]), headers: Vec::new() };
        let mut writer = log.writer("test").unwrap();
        (0..3).for_each(|key| drop(writer.append(vec![(IMAGES, record(key))]).unwrap()));
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
            transaction.open_table(BLOCKS)?.remove(key(IMAGES, 1))?;
            Ok(())
        });
        assert!(lost.is_ok());
        assert_eq!(problem(for_each(&log, IMAGES, |_| {})), "of the 3 records of images[1], 2 are found");
        let all = "redb counts 2 blocks of records in it, where 3 should be";
        assert_eq!(problem(log.compact()), all);
        for_each_from(&log, IMAGES, 2, |_| std::ops::ControlFlow::Continue(())).unwrap();
        drop(log);
        assert_eq!(problem(open(dir.path())), all);
    }

    #[test]
    fn an_entry_of_a_partition_that_has_changed_is_noticed_at_the_start() {
        for change in [(4, 3, 3, 3), (3, 2, 3, 3), (3, 3, 2, 3), (3, 3, 3, 2)] {
            let dir = tempfile::tempdir().unwrap();
            let log = made(dir.path());
            let changed = log.shared.store.write("test", |transaction| {
                let mut rows = transaction.open_table(EXTENTS)?;
                let (end, since, live, blocks) = change;
                let checksum = get(&rows, IMAGES)?.checksum(place(IMAGES));
                rows.insert(place(IMAGES), (end, since, live, blocks, checksum))?;
                Ok(())
            });
            assert!(changed.is_ok());
            drop(log);
            assert_eq!(problem(open(dir.path())), "the entry of images[1] has another checksum");
        }
    }
}
