//! Compacts the log, so that the file does not grow for ever.
//!
//! A keyed topic keeps the last record of each key, and of some topics also what was replaced lately, as Kafka does with
//! `min.compaction.lag.ms`; a tombstone that is older than the topic's retention goes too. An
//! event topic drops what is older than its retention. Offsets stay as they are, and the end of a partition is stored
//! apart, so none is ever used twice.
//!
//! First it looks for the records to remove, which changes nothing; then `rewrite.rs` writes the blocks anew that had some.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use redb::ReadTransaction;

use super::content::{extents, missing};
use super::extent;
use super::fault::Fault;
use super::rewrite::rewrite;
use super::store::Store;
use super::tables::{BLOCKS, EXTENTS};
use super::walk::walk;
use crate::log::{LogError, Offset, TopicPartition};
use crate::oci::Digest;
use crate::record::Cleanup;

/// A partition smaller than this is not worth a walk through it.
pub(super) const WORTHWHILE: u64 = 50_000;

/// Returns `true` if at least half of a partition may be old records. `since` is the number of records added since a
/// compaction, `kept` the number that it left.
pub(super) fn is_due(since: u64, kept: u64) -> bool {
    since >= WORTHWHILE.max(kept)
}

/// Compacts every partition.
pub(super) fn compact_all(store: &Store, now: i64) -> Result<(), LogError> {
    let partitions = store.read("cannot compact", extents)?;
    partitions.into_iter().try_for_each(|(partition, _)| compact(store, partition, now).map(drop))
}

/// Compacts one partition, or drops the records beyond its retention. A partition in which something is damaged stays as it
/// is: what is left may help to repair it. Returns the number of replaced records that were too young to be removed.
pub(super) fn compact(store: &Store, partition: TopicPartition, now: i64) -> Result<u64, LogError> {
    let Found { old, spared } =
        store.read(format_args!("cannot compact {partition}"), |read| old_records(read, partition, now))?;
    rewrite(store, partition, &old, now - partition.topic.history_ms())?;
    Ok(spared)
}

/// The records of a partition that a later one has replaced, or that are past their retention.
struct Found {
    /// The offsets of those to remove, lowest first.
    old: Vec<Offset>,
    /// The number of those that are kept as history.
    spared: u64,
}

/// Finds the offsets to remove, lowest first, so that a record goes before the tombstone that deletes it.
fn old_records(read: &ReadTransaction, partition: TopicPartition, now: i64) -> Result<Found, Fault> {
    let horizon = now - partition.topic.retention_ms();
    let is_keyed = partition.topic.cleanup() == Cleanup::Compact;
    // Half of a SHA-256 distinguishes keys, and bounds the memory of a key.
    let mut last: HashMap<[u8; 16], (Offset, bool)> = HashMap::new();
    let mut young: HashSet<[u8; 16]> = HashSet::new();
    let mut old = Vec::new();
    let mut found = 0;
    // The first record of the history and all behind it replace nothing yet, as on Kafka.
    let replaced_before = match partition.topic.history_ms() {
        0 => i64::MAX,
        history => now - history,
    };
    let mut is_history = false;
    let mut spared = 0;
    walk(&read.open_table(BLOCKS)?, partition, 0..Offset::MAX, |offset, record| {
        found += 1;
        let is_past = record.timestamp < horizon;
        if !is_keyed {
            if is_past {
                old.push(offset);
            }
            return Ok(ControlFlow::Continue(()));
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&Digest::of(record.key.as_bytes()).as_bytes()[..16]);
        is_history |= record.timestamp >= replaced_before;
        if is_history {
            spared += u64::from(last.contains_key(&hash) || !young.insert(hash));
            return Ok(ControlFlow::Continue(()));
        }
        // A reader may have passed a record and not come to its tombstone yet: that stays until the next time.
        let is_droppable = record.value.is_none() && is_past && !last.contains_key(&hash);
        old.extend(last.insert(hash, (offset, is_droppable)).map(|(before, _)| before));
        Ok(ControlFlow::Continue(()))
    })?;
    let live = extent::get(&read.open_table(EXTENTS)?, partition)?.live;
    if found != live {
        return Err(missing(partition, live, found));
    }
    old.extend(last.values().filter(|(_, is_droppable)| *is_droppable).map(|(offset, _)| *offset));
    old.sort_unstable();
    Ok(Found { old, spared })
}
