//! Decides which partitions to compact, and when.

use std::collections::{BTreeMap, BTreeSet};

use super::compaction::WORTHWHILE;
use super::extent::Extent;
use crate::log::TopicPartition;

/// Time after which a partition is compacted again whose replaced records were too young to be removed, in milliseconds.
const AGAIN: i64 = 24 * 60 * 60 * 1_000;
/// The same for a partition that another process may have left so, and after a failure.
const FIRST: i64 = 60 * 60 * 1_000;

/// The partitions to compact.
#[derive(Debug, Default)]
pub(super) struct Due {
    now: BTreeSet<TopicPartition>,
    later: BTreeMap<TopicPartition, i64>,
}

impl Due {
    /// Those of a log that was just opened.
    pub(super) fn of(extents: &[(TopicPartition, Extent)], now: i64) -> Self {
        let keeps =
            |(of, extent): &&(TopicPartition, Extent)| of.topic.history_ms() > 0 && extent.live >= WORTHWHILE;
        let later = extents.iter().filter(keeps).map(|(of, _)| (*of, now + FIRST)).collect();
        Self { now: BTreeSet::new(), later }
    }

    /// Appends have made these due.
    pub(super) fn add(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        self.now.extend(partitions);
    }

    /// Returns `true` if a partition is due.
    pub(super) fn is_any(&self, now: i64) -> bool {
        !self.now.is_empty() || self.later.values().any(|time| *time <= now)
    }

    /// Takes a partition that is due.
    pub(super) fn take(&mut self, now: i64) -> Option<TopicPartition> {
        let in_time = self.later.iter().find(|(_, time)| **time <= now).map(|(of, _)| *of);
        let of = self.now.pop_first().or(in_time)?;
        self.later.remove(&of);
        Some(of)
    }

    /// A compaction has failed.
    pub(super) fn failed(&mut self, of: TopicPartition, now: i64) {
        self.later.insert(of, now + FIRST);
    }

    /// A compaction has spared so many records that were replaced.
    pub(super) fn compacted(&mut self, of: TopicPartition, spared: u64, now: i64) {
        if spared >= WORTHWHILE {
            self.later.insert(of, now + AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 0 };
    const STATES: TopicPartition = TopicPartition { topic: Topic::Classifications, partition: 0 };

    #[test]
    fn a_partition_whose_replaced_records_were_too_young_comes_again_after_a_day() {
        let mut due = Due::default();
        due.add([IMAGES, STATES]);
        assert!(due.is_any(0));
        let taken = [due.take(0), due.take(0), due.take(0)];
        assert_eq!(taken, [Some(IMAGES), Some(STATES), None]);
        due.compacted(IMAGES, WORTHWHILE, 0);
        due.compacted(STATES, WORTHWHILE - 1, 0);
        assert_eq!([due.take(AGAIN - 1), due.take(AGAIN), due.take(2 * AGAIN)], [None, Some(IMAGES), None]);
        due.failed(IMAGES, 0);
        assert!(!due.is_any(FIRST - 1) && due.is_any(FIRST), "a failure is tried again");
    }

    #[test]
    fn a_large_partition_with_a_history_is_looked_at_an_hour_after_the_start() {
        let extent = |live| Extent { end: live, since: 0, live, blocks: 1 };
        let small = TopicPartition { partition: 1, ..IMAGES };
        let mut due =
            Due::of(&[(IMAGES, extent(WORTHWHILE)), (small, extent(9)), (STATES, extent(WORTHWHILE))], 0);
        assert!(!due.is_any(0) && due.is_any(FIRST));
        assert_eq!([due.take(FIRST - 1), due.take(FIRST), due.take(FIRST)], [None, Some(IMAGES), None]);
    }
}
