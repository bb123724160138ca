//! The tables of a file, of whichever format it is.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::extent::{self, Extent};
use super::fault::Fault;
use super::old;
use super::tables::{BLOCKS, EXTENTS, Key, Row, topic};
use crate::log::{LogError, Offset, TopicPartition};

/// The format of the files that this version writes.
pub(super) const FORMAT: u64 = 3;

/// The tables of a file.
pub(super) struct Content {
    /// The blocks; in an older format, frames.
    pub(super) blocks: ReadOnlyTable<Key, &'static [u8]>,
    extents: Extents,
}

/// The numbers of a topic and a partition, and the extent.
type NumberedExtent = ((u8, u16), Extent);

/// The table of extents in each format.
enum Extents {
    First(ReadOnlyTable<(u8, u16), (u64, u64, u64)>),
    Second(ReadOnlyTable<(u8, u16), (u64, u64, u64, u32)>),
    Third(ReadOnlyTable<(u8, u16), Row>),
}

impl Content {
    /// The tables of a file of this format.
    pub(super) fn open(read: &ReadTransaction, format: u64) -> Result<Self, Fault> {
        let blocks = read.open_table(if format == FORMAT { BLOCKS } else { old::RECORDS })?;
        let extents = match format {
            1 => Extents::First(read.open_table(old::PARTITIONS)?),
            2 => Extents::Second(read.open_table(old::EXTENTS)?),
            _ => Extents::Third(read.open_table(EXTENTS)?),
        };
        Ok(Self { blocks, extents })
    }

    /// The number of partitions that have an extent, those of unknown topics among them.
    pub(super) fn partitions(&self) -> Result<u64, Fault> {
        Ok(match &self.extents {
            Extents::First(rows) => rows.len()?,
            Extents::Second(rows) => rows.len()?,
            Extents::Third(rows) => rows.len()?,
        })
    }

    /// The extent of a partition; an empty one if it has none.
    pub(super) fn extent(&self, of: TopicPartition) -> Result<Extent, Fault> {
        let at = extent::place(of);
        match &self.extents {
            Extents::First(rows) => {
                let row = rows.get(at)?.map(|row| row.value());
                row.map_or(Ok(Extent::default()), |row| Ok(old::first(row, self.count(at, row.0)?)))
            }
            Extents::Second(rows) => {
                let row = rows.get(at)?.map(|row| row.value());
                row.map_or(Ok(Extent::default()), |row| old::second(at, row))
            }
            Extents::Third(rows) => extent::get(rows, of),
        }
    }

    /// The extents of all partitions that have one and whose topic is known. redb keeps the number of entries of a table
    /// apart from them, so clade notices entries that are missing.
    pub(super) fn extents(&self) -> Result<Vec<(TopicPartition, Extent)>, Fault> {
        let all = self.rows()?;
        let (found, written) = (all.len() as u64, self.partitions()?);
        if found != written {
            return Err(Fault::damaged(format_args!(
                "it has the entries of {found} partitions instead of {written}"
            )));
        }
        let (counted, noted) = (self.blocks.len()?, all.iter().map(|(_, extent)| extent.blocks).sum::<u64>());
        if counted != noted {
            return Err(Fault::damaged(format_args!(
                "redb counts {counted} blocks of records in it, where {noted} should be"
            )));
        }
        let known = |((number, partition), extent)| {
            Some((TopicPartition { topic: topic(number)?, partition }, extent))
        };
        Ok(all.into_iter().filter_map(known).collect())
    }

    /// The same for work that needs all partitions: a topic that this version does not know is an error.
    pub(super) fn all_extents(&self) -> Result<Vec<(TopicPartition, Extent)>, Fault> {
        let known = self.extents()?;
        if known.len() as u64 == self.partitions()? {
            return Ok(known);
        }
        Err(Fault::Log(LogError::Incompatible(
            "the log has topics that this version of clade does not know: use the version that wrote them"
                .to_owned(),
        )))
    }

    fn rows(&self) -> Result<Vec<NumberedExtent>, Fault> {
        let mut all = Vec::new();
        match &self.extents {
            Extents::First(rows) => {
                for row in rows.iter()? {
                    let (at, row) = row?;
                    let (at, row) = (at.value(), row.value());
                    all.push((at, old::first(row, self.count(at, row.0)?)));
                }
            }
            Extents::Second(rows) => {
                for row in rows.iter()? {
                    let (at, row) = row?;
                    all.push((at.value(), old::second(at.value(), row.value())?));
                }
            }
            Extents::Third(rows) => {
                for row in rows.iter()? {
                    let (at, row) = row?;
                    all.push((at.value(), Extent::decode(at.value(), row.value())?));
                }
            }
        }
        Ok(all)
    }

    /// Counts the records of a partition below its end, which format 1 does not note.
    fn count(&self, (topic, partition): (u8, u16), end: Offset) -> Result<u64, Fault> {
        let rows = self.blocks.range((topic, partition, 0)..(topic, partition, end))?;
        rows.map(|row| row.map(|_| 1).map_err(Fault::from)).sum()
    }
}

/// The extents of an open log, which is of the present format.
pub(super) fn extents(read: &ReadTransaction) -> Result<Vec<(TopicPartition, Extent)>, Fault> {
    Content::open(read, FORMAT)?.extents()
}

/// The fault of a partition in which another number of records is found than was written and not removed.
pub(super) fn missing(of: TopicPartition, live: u64, found: u64) -> Fault {
    Fault::damaged(format_args!("of the {live} records of {of}, {found} are found"))
}
