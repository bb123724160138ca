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

/// Returns the offset after the last record that can be found in a partition whose end nobody knows, for `readable`. Behind
/// each place that `walk` cannot read it tries the next offset, the second, the fourth and so on: a search by halves would
/// spend all attempts on offsets that no record ever had.
pub(super) fn end<E>(
    most: Offset,
    attempts: usize,
    mut walk: impl FnMut(Range<Offset>) -> Result<Walked, E>,
) -> Result<Offset, E> {
    let (mut end, mut from, mut step) = (0, 0, 1);
    for _ in 0..attempts {
        if from >= most {
            break;
        }
        let walked = walk(from..most)?;
        if walked.records > 0 {
            (end, step) = (walked.next, 1);
        }
        if walked.is_whole {
            break;
        }
        from = end.saturating_add(step);
        step = step.saturating_mul(2);
    }
    Ok(end)
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

    /// Walks through a partition that has a record at each offset up to the last, and in which whole leaves of a tree are
    /// damaged.
    fn walk(range: &Range<Offset>, last: Offset, damaged: &[Range<Offset>]) -> Walked {
        let first = damaged.iter().filter(|bad| bad.start < range.end && range.start < bad.end);
        let stop = first.map(|bad| bad.start.max(range.start)).min();
        let next = stop.unwrap_or(range.end).min(last).max(range.start);
        Walked { records: next - range.start, next, is_whole: stop.is_none() }
    }

    fn find(
        end: Offset,
        last: Offset,
        damaged: &[Range<Offset>],
        attempts: usize,
    ) -> (Vec<Range<Offset>>, usize) {
        let mut walks = 0;
        let found = readable(end, attempts, |range| {
            walks += 1;
            Ok::<_, Infallible>(walk(&range, last, damaged))
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
    fn an_end_that_nobody_knows_is_found_also_if_everything_behind_it_is_damaged() {
        let most = 1 << 62;
        let all = [500..540, 2_990..most];
        for damaged in [&all[..0], &all[..1], &all] {
            let mut walks = 0;
            let found = end(most, 2_000, |range| {
                walks += 1;
                Ok::<_, Infallible>(walk(&range, 3_000, damaged))
            });
            let last = if damaged.len() == 2 { 2_990 } else { 3_000 };
            assert_eq!((found.unwrap(), walks < 200), (last, true), "{damaged:?}: {walks}");
            let (found, _) = find(last, last, damaged, 2_000);
            assert_eq!(lost(last, &found), if damaged.is_empty() { 0 } else { 40 });
        }
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
