//! Writes the blocks of a partition anew that had records to remove, and makes one of several small ones.
//!
//! Each transaction takes some blocks that follow one another and puts the same records, without those to remove, back into
//! as few blocks as they fill. Whoever is killed between two of them has lost no record.

use std::ops::{Bound, ControlFlow};

use redb::{ReadableTable, Table, WriteTransaction};

use super::block::Opener;
use super::extent::{self, Extent};
use super::fault::Fault;
use super::history::{self, History};
use super::packing::{FITS, Packing, Sealed};
use super::store::Store;
use super::tables::{BLOCKS, EXTENTS, Key, key};
use super::walk::{bad_block, each};
use crate::compress::Packer;
use crate::log::{LogError, Offset, TopicPartition};

/// Bytes of records that one transaction reads or writes, about: it bounds the memory of a transaction. Appends wait until the
/// whole partition is done.
const AT_ONCE: usize = 4 << 20;
/// Blocks that one transaction looks at, at most: most of them stay as they are.
const LOOKED_AT: usize = 4_096;
/// A block that takes less of its page than this is small. Two of them take less than one page.
const SMALL: usize = FITS / 2;

/// Removes records from a partition, lowest first, so that a record goes before the tombstone that deletes it. All of them
/// were replaced before `until`.
pub(super) fn rewrite(
    store: &Store,
    partition: TopicPartition,
    old: &[Offset],
    until: i64,
) -> Result<(), LogError> {
    let keeps_history = partition.topic.history_ms() > 0;
    let mut rewriting = Rewriting {
        partition,
        old,
        from: Some(0),
        packing: Packing::of(partition),
        packer: Packer::default(),
        opener: Opener::default(),
    };
    while rewriting.from.is_some() {
        let noted = if keeps_history { store.read("cannot compact", history::get)? } else { None };
        store.write(format_args!("cannot compact {partition}"), |transaction| {
            rewriting.step(transaction, noted, until)
        })?;
    }
    Ok(())
}

/// A partition that is being written anew.
struct Rewriting<'a> {
    partition: TopicPartition,
    /// The records that are still to be removed, lowest first.
    old: &'a [Offset],
    /// The place of the first block that was not looked at yet; `None` at the end.
    from: Option<Offset>,
    packing: Packing,
    packer: Packer,
    opener: Opener,
}

/// The changes of one transaction.
#[derive(Default)]
struct Changes {
    removed: u64,
    /// Blocks that are gone, and blocks that came.
    gone: u64,
    came: u64,
}

impl Rewriting<'_> {
    /// Takes some blocks, and notes in the same transaction what has changed.
    fn step(
        &mut self,
        transaction: &WriteTransaction,
        noted: Option<History>,
        until: i64,
    ) -> Result<(), Fault> {
        let mut blocks = transaction.open_table(BLOCKS)?;
        let mut extents = transaction.open_table(EXTENTS)?;
        let changes = self.take(&mut blocks)?;
        let extent = extent::get(&extents, self.partition)?;
        let changed = Extent {
            live: extent.live.saturating_sub(changes.removed),
            blocks: (extent.blocks + changes.came).saturating_sub(changes.gone),
            since: if self.from.is_none() { 0 } else { extent.since },
            ..extent
        };
        if let Some(noted) = noted {
            history::put(transaction, noted.after(changes.removed, until))?;
        }
        extent::put(&mut extents, self.partition, changed)
    }

    fn take(&mut self, blocks: &mut Table<'_, Key, &'static [u8]>) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        self.packing.turn_to(self.partition);
        let (mut bytes, mut looked_at) = (0, 0);
        while let Some(from) = self.from {
            if bytes >= AT_ONCE || looked_at >= LOOKED_AT {
                break;
            }
            let Some((at, block)) = next(blocks, self.partition, from)? else {
                self.from = None;
                break;
            };
            looked_at += 1;
            bytes += self.take_block(blocks, (at, &block), &mut changes)?;
        }
        self.flush(blocks, &mut changes)?;
        Ok(changes)
    }

    /// Takes the records of a block that had some to remove, or that is small; any other stays. Returns the bytes of its records.
    fn take_block(
        &mut self,
        blocks: &mut Table<'_, Key, &'static [u8]>,
        (at, bytes): (Offset, &[u8]),
        changes: &mut Changes,
    ) -> Result<usize, Fault> {
        let of = self.partition;
        let mut opener = std::mem::take(&mut self.opener);
        let block = opener.open(key(of, at), bytes).map_err(|problem| bad_block(of, at, problem))?;
        let is_touched = self.old.first().is_some_and(|old| *old <= block.last);
        let fills_up = !self.packing.is_empty() && self.packing.has_room_for(block.len());
        if is_touched || bytes.len() < SMALL || fills_up {
            blocks.remove(key(of, at))?;
            changes.gone += 1;
            let _ = each(&block, of, |offset, entry| {
                if self.old.first() == Some(&offset) {
                    self.old = &self.old[1..];
                    changes.removed += 1;
                    return Ok(ControlFlow::Continue(()));
                }
                self.packing.push_encoded(offset, entry.bytes, &mut self.packer, &mut |sealed| {
                    changes.came += 1;
                    put(blocks, &sealed)
                })?;
                Ok(ControlFlow::Continue(()))
            })?;
        } else {
            self.flush(blocks, changes)?;
        }
        self.old = &self.old[self.old.partition_point(|old| *old <= block.last)..];
        self.from = block.last.checked_add(1);
        let len = block.len();
        self.opener = opener;
        Ok(len)
    }

    fn flush(
        &mut self,
        blocks: &mut Table<'_, Key, &'static [u8]>,
        changes: &mut Changes,
    ) -> Result<(), Fault> {
        self.packing.finish(&mut self.packer, &mut |sealed| {
            changes.came += 1;
            put(blocks, &sealed)
        })
    }
}

fn put(blocks: &mut Table<'_, Key, &'static [u8]>, sealed: &Sealed) -> Result<(), Fault> {
    blocks.insert(sealed.place, sealed.bytes.as_slice())?;
    Ok(())
}

/// The first block of a partition that begins at an offset or behind it. It is copied, because the table changes.
fn next(
    blocks: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    from: Offset,
) -> Result<Option<(Offset, Vec<u8>)>, Fault> {
    let (from, to) = (key(of, from), key(of, Offset::MAX));
    match blocks.range((Bound::Included(from), Bound::Included(to)))?.next() {
        Some(row) => {
            let (at, bytes) = row?;
            Ok(Some((at.value().2, bytes.value().to_vec())))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::log::embedded::content::extents;
    use crate::log::embedded::{EmbeddedLog, Options, check};
    use crate::log::{Log as _, Record, for_each};
    use crate::record::Topic;

    const STATES: TopicPartition = TopicPartition { topic: Topic::Classifications, partition: 1 };

    fn records(random: &mut fastrand::Rng, many: usize, keys: usize) -> Vec<Record> {
        let value = |random: &mut fastrand::Rng| (0..200).map(|_| random.alphanumeric() as u8).collect();
        (0..many)
            .map(|_| Record {
                key: random.usize(..keys).to_string(),
                value: Some(value(random)),
                headers: Vec::new(),
            })
            .collect()
    }

    fn append(log: &EmbeddedLog, records: Vec<Record>) {
        let batch = records.into_iter().map(|record| (STATES, record)).collect();
        log.writer("test").unwrap().append(batch).unwrap();
    }

    fn contents(log: &EmbeddedLog) -> Vec<(Offset, Record)> {
        let mut all = Vec::new();
        for_each(log, STATES, |stored| all.push((stored.offset, stored.record.clone()))).unwrap();
        all
    }

    fn extent(log: &EmbeddedLog) -> Extent {
        log.shared.store.read("test", extents).unwrap()[0].1
    }

    #[test]
    fn blocks_of_single_records_become_few() {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        let random = &mut fastrand::Rng::with_seed(3);
        for number in 0..300 {
            let key = number.to_string();
            append(
                &log,
                records(random, 1, 1).into_iter().map(|one| Record { key: key.clone(), ..one }).collect(),
            );
        }
        let (before, all) = (extent(&log), contents(&log));
        assert_eq!((before.blocks, before.live), (300, 300));
        log.compact().unwrap();
        let after = extent(&log);
        assert!(after.blocks < 8, "{after:?}");
        assert_eq!(after, Extent { blocks: after.blocks, since: 0, ..before });
        assert!(contents(&log) == all);
        drop(log);
        assert_eq!(check(dir.path(), "test", |_, _| {}).unwrap().many(), 0);
    }

    #[test]
    fn whoever_is_killed_between_two_transactions_has_lost_nothing_and_the_next_compaction_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        let random = &mut fastrand::Rng::with_seed(3);
        for _ in 0..5 {
            append(&log, records(random, 9_000, 20_000));
        }
        let all = contents(&log);
        let is_last = |(offset, record): &(Offset, Record)| {
            !all[usize::try_from(*offset).unwrap() + 1..].iter().any(|(_, later)| later.key == record.key)
        };
        // The last record of each of the first keys: the others are as well removed or kept.
        let old: Vec<Offset> =
            all.iter().take(2_000).filter(|one| !is_last(one)).map(|(offset, _)| *offset).collect();
        let mut rewriting = Rewriting {
            partition: STATES,
            old: &old,
            from: Some(0),
            packing: Packing::of(STATES),
            packer: Packer::default(),
            opener: Opener::default(),
        };
        let step = log.shared.store.write("test", |transaction| rewriting.step(transaction, None, 0));
        assert!(step.is_ok() && rewriting.from.is_some(), "there is more than one transaction");
        let mut left = all.clone();
        left.retain(|(offset, _)| old.binary_search(offset).is_err());
        assert!(rewriting.old.is_empty() && contents(&log) == left);
        assert_eq!((extent(&log).live, extent(&log).since), (left.len() as u64, 45_000));
        drop(log);
        assert_eq!(check(dir.path(), "test", |_, _| {}).unwrap().many(), 0);
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        log.compact().unwrap();
        let last: std::collections::BTreeMap<_, _> =
            all.iter().map(|(offset, record)| (record.key.clone(), *offset)).collect();
        left.retain(|(offset, record)| last[&record.key] == *offset);
        assert!(contents(&log) == left);
        assert_eq!((extent(&log).live, extent(&log).since), (left.len() as u64, 0));
        drop(log);
        assert_eq!(check(dir.path(), "test", |_, _| {}).unwrap().many(), 0);
    }
}
