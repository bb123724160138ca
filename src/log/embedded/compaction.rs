//! Compacts the log, so that the file does not grow for ever.
//!
//! A keyed topic keeps the last record of each key; a tombstone that is older than the topic's retention goes too. An
//! event topic drops what is older than its retention. Offsets stay as they are, and the end of a partition is stored
//! apart, so none is ever used twice.

use std::collections::HashMap;

use redb::{Database, ReadableDatabase};

use super::frame;
use super::tables::{PARTITIONS, RECORDS, key, number, topic};
use crate::log::{LogError, Offset, TopicPartition};
use crate::oci::Digest;
use crate::record::Cleanup;

/// Records removed in one transaction, at most: appends that wait behind it wait for some milliseconds.
const REMOVED_AT_ONCE: usize = 10_000;
/// A partition smaller than this is not worth a walk through it.
const WORTHWHILE: u64 = 50_000;

/// Returns `true` if at least half of a partition may be old records. `since` is the number of records added since a
/// compaction, `kept` the number that it left.
pub(super) fn is_due(since: u64, kept: u64) -> bool {
    since >= WORTHWHILE.max(kept)
}

/// Compacts every partition.
pub(super) fn compact_all(database: &Database, now: i64) -> Result<(), LogError> {
    let partitions: Vec<TopicPartition> = {
        let read = database.begin_read().map_err(storage)?;
        let table = read.open_table(PARTITIONS).map_err(storage)?;
        let keys = redb::ReadableTable::iter(&table).map_err(storage)?.filter_map(Result::ok);
        keys.filter_map(|(key, _)| {
            let (number, partition) = key.value();
            Some(TopicPartition { topic: topic(number)?, partition })
        })
        .collect()
    };
    partitions.into_iter().try_for_each(|partition| compact(database, partition, now))
}

/// Compacts one partition, or drops the records beyond its retention.
pub(super) fn compact(database: &Database, partition: TopicPartition, now: i64) -> Result<(), LogError> {
    let (old, kept) = old_records(database, partition, now)?;
    for part in old.chunks(REMOVED_AT_ONCE) {
        let transaction = database.begin_write().map_err(storage)?;
        {
            let mut records = transaction.open_table(RECORDS).map_err(storage)?;
            for offset in part {
                records.remove(key(partition, *offset)).map_err(storage)?;
            }
        }
        transaction.commit().map_err(storage)?;
    }
    let transaction = database.begin_write().map_err(storage)?;
    {
        let mut partitions = transaction.open_table(PARTITIONS).map_err(storage)?;
        let at = (number(partition.topic), partition.partition);
        let end =
            redb::ReadableTable::get(&partitions, at).map_err(storage)?.map_or(0, |value| value.value().0);
        partitions.insert(at, (end, 0, kept)).map_err(storage)?;
    }
    transaction.commit().map_err(storage)
}

/// Finds the offsets to remove, lowest first, so that a record goes before the tombstone that deletes it. Also returns
/// the number of records that are left.
fn old_records(
    database: &Database,
    partition: TopicPartition,
    now: i64,
) -> Result<(Vec<Offset>, u64), LogError> {
    let horizon = now - partition.topic.retention_ms();
    let is_keyed = partition.topic.cleanup() == Cleanup::Compact;
    let read = database.begin_read().map_err(storage)?;
    let table = read.open_table(RECORDS).map_err(storage)?;
    // Half of a SHA-256 distinguishes keys, and bounds the memory of a key.
    let mut last: HashMap<[u8; 16], (Offset, bool)> = HashMap::new();
    let mut old = Vec::new();
    let mut kept = 0_u64;
    for entry in table.range(key(partition, 0)..=key(partition, Offset::MAX)).map_err(storage)? {
        let (at, value) = entry.map_err(storage)?;
        let (.., offset) = at.value();
        let Ok((timestamp, record)) = frame::decode(value.value()) else { continue };
        let is_past = timestamp < horizon;
        if !is_keyed {
            if is_past {
                old.push(offset);
            } else {
                kept += 1;
            }
            continue;
        }
        let is_droppable = record.value.is_none() && is_past;
        let mut hash = [0; 16];
        hash.copy_from_slice(&Digest::of(record.key.as_bytes()).as_bytes()[..16]);
        if let Some((before, _)) = last.insert(hash, (offset, is_droppable)) {
            old.push(before);
        }
    }
    if is_keyed {
        old.extend(last.values().filter(|(_, is_droppable)| *is_droppable).map(|(offset, _)| *offset));
        kept = last.values().filter(|(_, is_droppable)| !is_droppable).count() as u64;
    }
    old.sort_unstable();
    Ok((old, kept))
}

fn storage(error: impl Into<redb::Error>) -> LogError {
    LogError::caused("cannot compact", error.into())
}
