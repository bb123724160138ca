//! Applies the settling delay. A base for several platforms is pushed platform by platform, each time with another
//! image index. A class that took each for a version would mark everything as outdated half a dozen times
//! (docs/concepts.md, sections 6 and 10).

use std::time::Duration;

use crate::record::{TagItem, Timestamp};

/// Length of a burst of moves, in settling delays, after which a tag that never rests is followed all the same.
const MOST_DELAYS: u32 = 10;
/// The difference between the clocks of clade and of a source that clade waits for.
const MOST_AHEAD: Duration = Duration::from_secs(600);

/// Returns the number of a tag's items, oldest first, that have settled, and the time at which the rest will have if
/// the tag does not move. `is_index` returns `true` for an item that is, or may be, an image index.
pub(super) fn settled(
    items: &[TagItem],
    delay: Duration,
    now: Timestamp,
    is_index: impl Fn(&TagItem) -> bool,
) -> (usize, Option<Timestamp>) {
    let Some(last) = items.last().filter(|last| is_index(last)) else { return (items.len(), None) };
    let Some(due) = due(last.since, delay, now) else { return (items.len(), None) };
    // No move of a burst counts before its end. Otherwise each of them would settle by itself.
    let mut first = items.len() - 1;
    while let Some(before) = first.checked_sub(1)
        && is_index(&items[before])
        && gap(items[before].since, items[first].since) < delay
    {
        first = before;
    }
    let is_endless = gap(items[first].since, now) > delay * MOST_DELAYS;
    // The first version of a class makes no image outdated.
    if first == 0 || is_endless { (items.len(), None) } else { (first, Some(due)) }
}

/// Returns the time at which a move of this moment will have rested, or `None` if it has. A moment that lies far ahead
/// comes from a clock that goes wrong, the source's or ours: such a move counts at once, and not in years.
pub(super) fn due(since: Timestamp, delay: Duration, now: Timestamp) -> Option<Timestamp> {
    let due = since.checked_add(delay).ok()?;
    (due > now && !delay.is_zero() && gap(now, since) <= MOST_AHEAD).then_some(due)
}

/// Returns `true` if the tag pointed at an image index: its images differ from the digest of the item.
pub(super) fn is_index(item: &TagItem) -> bool {
    item.images.iter().any(|image| Some(image.digest) != item.digest)
}

fn gap(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::record::TagImage;

    fn settled(items: &[TagItem], delay: Duration, now: Timestamp) -> (usize, Option<Timestamp>) {
        super::settled(items, delay, now, is_index)
    }

    const DELAY: Duration = Duration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn item(second: i64, platforms: u8) -> TagItem {
        let image = |number: u8| TagImage { digest: Digest::of(&[number]), platform: None };
        let digest = Digest::of(format!("{second}").as_bytes());
        TagItem { since: at(second), digest: Some(digest), images: (0..platforms).map(image).collect() }
    }

    fn single(second: i64) -> TagItem {
        let digest = Digest::of(format!("{second}").as_bytes());
        TagItem { since: at(second), digest: Some(digest), images: vec![TagImage { digest, platform: None }] }
    }

    #[test]
    fn a_base_that_is_pushed_platform_by_platform_is_one_move() {
        let items = [item(0, 3), item(1_000, 1), item(1_010, 2), item(1_020, 3)];
        assert_eq!(settled(&items, DELAY, at(1_021)), (1, Some(at(1_050))));
        assert_eq!(settled(&items, DELAY, at(1_045)), (1, Some(at(1_050))), "the first of them is not alone");
        assert_eq!(settled(&items, DELAY, at(1_050)), (4, None));
    }

    #[test]
    fn a_move_in_a_future_that_some_clock_has_made_up_counts_at_once() {
        let items = [item(0, 3), item(4_000_000_000, 3)];
        assert_eq!(settled(&items, DELAY, at(1_000)), (2, None));
        let slightly = [item(0, 3), item(1_500, 3)];
        assert_eq!(settled(&slightly, DELAY, at(1_000)), (1, Some(at(1_530))), "clocks differ a little");
    }

    #[test]
    fn an_image_for_one_platform_counts_at_once() {
        assert_eq!(settled(&[item(0, 3), single(1_000)], DELAY, at(1_001)), (2, None));
    }

    #[test]
    fn the_first_version_counts_at_once() {
        assert_eq!(settled(&[item(1_000, 1), item(1_005, 2)], DELAY, at(1_006)), (2, None));
        assert_eq!(settled(&[], DELAY, at(1_006)), (0, None));
    }

    #[test]
    fn a_tag_that_never_rests_is_followed_all_the_same() {
        let items: Vec<TagItem> = (0..100).map(|number| item(1_000 + 20 * number, 2)).collect();
        let items = [vec![item(0, 2)], items].concat();
        assert_eq!(settled(&items, DELAY, at(1_000 + 20 * 99)), (101, None));
    }
}
