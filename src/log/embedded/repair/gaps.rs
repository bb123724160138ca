//! Finds the ranges of a partition that can be read around those that cannot. Pure: the caller reads.

use std::collections::BinaryHeap;
use std::ops::Range;

use crate::log::Offset;

/// The end of a walk through a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    /// The number of records that were read.
    pub(super) records: u64,
    /// The offset after the last of them, or the beginning of the range.
    pub(super) next: Offset,
    /// `true` if nothing stopped the walk before the end of the range.
    pub(super) is_whole: bool,
}

/// A range that can be read: the offsets from its first to its last record, and their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readable {
    pub(super) offsets: Range<Offset>,
    pub(super) records: u64,
}

/// A range whose first offset cannot be read. Ordered by length.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Gap {
    len: Offset,
    start: Offset,
}

/// Returns the ranges with records below `end` that `walk` can read, in order. `walk` goes from the beginning of a range to its end or to
/// the first thing that it cannot read. Behind such a place, the middle of the largest gap is tried next, `attempts` times at
/// most: so large ranges are found first, and what remains unread at the end are short ones.
pub(super) fn readable<E>(
    end: Offset,
    attempts: usize,
    mut walk: impl FnMut(Range<Offset>) -> Result<Walked, E>,
) -> Result<Vec<Readable>, E> {
    let (mut found, mut gaps) = (Vec::new(), BinaryHeap::new());
    let mut attempt = |from: Offset, to: Offset, gaps: &mut BinaryHeap<Gap>| {
        let walked = walk(from..to)?;
        let next = walked.next.clamp(from, to);
        if walked.records > 0 {
            found.push(Readable { offsets: from..next, records: walked.records });
        }
        if !walked.is_whole && next < to {
            gaps.push(Gap { len: to - next, start: next });
        }
        Ok(())
    };
    if end > 0 {
        attempt(0, end, &mut gaps)?;
    }
    for _ in 0..attempts {
        let Some(Gap { len, start }) = gaps.pop() else { break };
        // The only offset of a gap of one cannot be read, and no longer gap is left.
        if len < 2 {
            break;
        }
        let middle = start + len / 2;
        gaps.push(Gap { len: middle - start, start });
        attempt(middle, start + len, &mut gaps)?;
    }
    found.sort_unstable_by_key(|range| range.offsets.start);
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Walks through a partition that has a record at each offset, and in which whole leaves of a tree are damaged.
    fn find(
        end: Offset,
        last: Offset,
        damaged: &[Range<Offset>],
        attempts: usize,
    ) -> (Vec<Range<Offset>>, usize) {
        let mut walks = 0;
        let found = readable(end, attempts, |range| {
            walks += 1;
            let first = damaged.iter().filter(|bad| bad.start < range.end && range.start < bad.end);
            let stop = first.map(|bad| bad.start.max(range.start)).min();
            let next = stop.unwrap_or(range.end).min(last).max(range.start);
            Ok::<_, Infallible>(Walked { records: next - range.start, next, is_whole: stop.is_none() })
        });
        let found: Vec<Readable> = found.unwrap();
        assert!(found.iter().all(|range| range.records == range.offsets.end - range.offsets.start));
        (found.into_iter().map(|range| range.offsets).collect(), walks)
    }

    fn lost(end: Offset, found: &[Range<Offset>]) -> u64 {
        end - found.iter().map(|range| range.end - range.start).sum::<u64>()
    }

    #[test]
    fn a_partition_without_damage_is_one_range_and_one_walk() {
        let (found, walks) = find(1_000, 1_000, &[], 100);
        assert_eq!((lost(1_000, &found), found.len(), walks), (0, 1, 1));
        assert_eq!(find(0, 0, &[], 100), (Vec::new(), 0));
    }

    #[test]
    fn everything_around_damaged_leaves_is_found_and_no_more() {
        for seed in 0..200 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let end = random.u64(1..20_000);
            let damaged: Vec<Range<Offset>> = (0..random.usize(0..6))
                .map(|_| {
                    let start = random.u64(0..end);
                    start..(start + random.u64(1..40)).min(end)
                })
                .collect();
            let (found, _) = find(end, end, &damaged, 2_000);
            let is_damaged = |offset: u64| damaged.iter().any(|bad| bad.contains(&offset));
            let bad = (0..end).filter(|offset| is_damaged(*offset)).count() as u64;
            assert_eq!(lost(end, &found), bad, "seed {seed}");
            assert!(found.iter().all(|range| !range.clone().any(is_damaged)), "seed {seed}");
            assert!(found.windows(2).all(|two| two[0].end <= two[1].start), "seed {seed}: in order");
        }
    }

    #[test]
    fn an_end_that_nobody_knows_costs_few_attempts() {
        let damaged = std::slice::from_ref(&(500..540));
        let (found, walks) = find(1 << 62, 3_000, damaged, 2_000);
        assert_eq!((lost(3_000, &found), walks < 200), (40, true), "{walks}");
    }

    #[test]
    fn attempts_have_a_bound_and_the_large_ranges_are_found_within_it() {
        let damaged: Vec<Range<Offset>> =
            (0..100).map(|number| number * 1_000_000..number * 1_000_000 + 100_000).collect();
        let (found, walks) = find(100_000_000, 100_000_000, &damaged, 2_000);
        assert_eq!(walks, 2_001);
        let lost = lost(100_000_000, &found);
        assert!((10_000_000..12_000_000).contains(&lost), "{lost}");
    }
}
