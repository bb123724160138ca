//! Walks through a partition, by blocks or by records.

use std::ops::{ControlFlow, Range};

use redb::ReadableTable;

use super::block::{Block, Opener};
use super::entry::Entry;
use super::fault::Fault;
use super::frame::Place;
use super::recent::Recent;
use super::tables::{Key, key, number};
use crate::log::{Offset, Stored, TopicPartition};

/// Calls `visit` with the place and the bytes of every block that begins in the range, in order, as long as it continues.
pub(super) fn blocks(
    table: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    range: Range<Offset>,
    mut visit: impl FnMut(Place, &[u8]) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let mut next = range.start;
    for row in table.range(key(of, range.start)..key(of, range.end))? {
        let (at, bytes) = row?;
        let place @ (topic, partition, offset) = at.value();
        // A damaged page may lead to blocks that lie elsewhere or were read already.
        if (topic, partition) != (number(of.topic), of.partition) || offset < next || offset >= range.end {
            return Err(out_of_order(of, next));
        }
        next = offset + 1;
        if visit(place, bytes.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls `visit` with the offset of every record in the range and the record, in order, as long as it continues.
pub(super) fn walk(
    table: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    range: Range<Offset>,
    visit: impl FnMut(Offset, Entry<'_>) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    // Readers ask again and again for what comes after the end.
    if range.is_empty() {
        return Ok(());
    }
    let begins = beginning(table, of, range.start)?;
    walk_from(begins, &mut Opener::default(), table, of, range, visit)
}

/// The record at an offset, if there is one.
pub(super) fn one(
    table: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    offset: Offset,
    recent: &Recent,
) -> Result<Option<Stored>, Fault> {
    let begins = beginning(table, of, offset)?;
    let place = (number(of.topic), of.partition, begins);
    let mut opener = recent.take(place);
    let mut found = None;
    walk_from(begins, &mut opener, table, of, offset..offset + 1, |offset, entry| {
        let record = entry.record().map_err(|problem| bad_block(of, offset, problem))?;
        found = Some(Stored { offset, timestamp: entry.timestamp, record });
        Ok(ControlFlow::Break(()))
    })?;
    recent.put(place, opener);
    Ok(found)
}

/// The offset of the block that a record at this offset stands in: it may begin before.
fn beginning(
    table: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    offset: Offset,
) -> Result<Offset, Fault> {
    if offset == 0 {
        return Ok(0);
    }
    match table.range(key(of, 0)..=key(of, offset))?.next_back() {
        Some(row) => Ok(row?.0.value().2.min(offset)),
        None => Ok(offset),
    }
}

fn walk_from(
    begins: Offset,
    opener: &mut Opener,
    table: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    range: Range<Offset>,
    mut visit: impl FnMut(Offset, Entry<'_>) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let mut next = 0;
    blocks(table, of, begins..range.end, |place @ (.., offset), bytes| {
        let block = opener.open(place, bytes).map_err(|problem| bad_block(of, offset, problem))?;
        if offset < next {
            return Err(out_of_order(of, next));
        }
        next = block.last.saturating_add(1);
        if block.last < range.start {
            return Ok(ControlFlow::Continue(()));
        }
        each(&block, of, |offset, entry| match offset {
            _ if offset < range.start => Ok(ControlFlow::Continue(())),
            _ if offset >= range.end => Ok(ControlFlow::Break(())),
            _ => visit(offset, entry),
        })
    })
}

/// Calls `visit` with every record of a block, as long as it continues.
pub(super) fn each(
    block: &Block<'_>,
    of: TopicPartition,
    mut visit: impl FnMut(Offset, Entry<'_>) -> Result<ControlFlow<()>, Fault>,
) -> Result<ControlFlow<()>, Fault> {
    for entry in block.entries() {
        let (offset, entry) = entry.map_err(|problem| bad_block(of, block.first, problem))?;
        if visit(offset, entry)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn out_of_order(of: TopicPartition, next: Offset) -> Fault {
    Fault::damaged(format_args!("the records of {of} from {next} on are out of order"))
}

/// The fault of a block.
pub(super) fn bad_block(of: TopicPartition, first: Offset, problem: &str) -> Fault {
    Fault::damaged(format_args!(
        "the block of records that begins with {of}@{first} is not what was written ({problem})"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::log::embedded::tables::BLOCKS;
    use crate::log::embedded::{EmbeddedLog, Options};
    use crate::log::{Log as _, Record};
    use crate::record::Topic;

    #[test]
    fn whoever_asks_for_what_comes_after_the_end_opens_no_block() {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        let of = TopicPartition { topic: Topic::Images, partition: 0 };
        let record = Record { key: "a".to_owned(), value: None, headers: Vec::new() };
        log.writer("test").unwrap().append(vec![(of, record)]).unwrap();
        let spoilt = log.shared.store.write("test", |transaction| {
            transaction.open_table(BLOCKS)?.insert(key(of, 0), &b"nonsense"[..])?;
            Ok(())
        });
        assert!(spoilt.is_ok());
        assert!(log.get(of, 0).is_err());
        assert_eq!(log.get(of, 1).unwrap(), None);
    }
}
