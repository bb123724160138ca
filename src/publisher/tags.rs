//! The history of a tag, put together from whatever sources saw of it.

use super::{ObservedTag, PublishError, Publisher};
use crate::oci::Reference;
use crate::record::{TagItem, TagRecord};

impl Publisher {
    pub(super) fn observe_tag(&mut self, seen: &ObservedTag) -> Result<(), PublishError> {
        let name = Reference::tag_name(&seen.repository, &seen.tag);
        let known = self.tag(&name)?;
        let mut items = known.as_ref().map(items_of).unwrap_or_default();
        let before = items.len();
        for item in &seen.items {
            add(&mut items, item);
        }
        let Some((current, history)) = items.split_last() else { return Ok(()) };
        if known.is_some() && items.len() == before {
            return Ok(());
        }
        self.pending.tag_items += items.len().saturating_sub(before);
        let record = TagRecord {
            name: name.clone(),
            sequence: 0,
            repository: seen.repository.clone(),
            tag: seen.tag.clone(),
            current: current.clone(),
            history: history.to_vec(),
            home: true,
        };
        self.pending.tags.insert(name, record);
        Ok(())
    }

    /// The tag as it is pending or published, with its history.
    pub(super) fn tag(&self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        match self.pending.tags.get(name) {
            Some(pending) => Ok(Some(pending.clone())),
            None => self.places.read_tag(&self.log, name),
        }
    }
}

/// All items of a tag, oldest first.
pub(super) fn items_of(record: &TagRecord) -> Vec<TagItem> {
    record.history.iter().chain([&record.current]).cloned().collect()
}

/// Puts `item` where it belongs in time. One that says what its predecessor says adds nothing: it is left out, and so
/// is one that stands there already, so that a history can be read twice.
fn add(items: &mut Vec<TagItem>, item: &TagItem) {
    let at = items.partition_point(|known| known.since <= item.since);
    let is_known =
        items[..at].iter().rev().take_while(|known| known.since == item.since).any(|k| k.same_target(item));
    let repeats = at.checked_sub(1).is_some_and(|before| items[before].same_target(item));
    if is_known || repeats {
        return;
    }
    items.insert(at, item.clone());
    // What followed may say the same as the new item; the change then happened earlier than was known.
    if items.get(at + 1).is_some_and(|next| next.same_target(item)) {
        items.remove(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn item(second: i64, target: Option<&str>) -> TagItem {
        TagItem {
            since: crate::record::Timestamp::from_second(second).unwrap(),
            digest: target.map(|target| Digest::of(target.as_bytes())),
            images: Vec::new(),
        }
    }

    fn put_together(seen: &[TagItem]) -> Vec<TagItem> {
        let mut items = Vec::new();
        for item in seen {
            add(&mut items, item);
        }
        items
    }

    #[test]
    fn a_history_read_twice_is_the_same_history() {
        let history =
            [item(1, Some("a")), item(2, Some("b")), item(3, None), item(4, Some("a")), item(4, Some("c"))];
        let twice: Vec<TagItem> = history.iter().chain(&history).cloned().collect();
        assert_eq!(put_together(&twice), history);
    }

    #[test]
    fn a_history_can_be_read_in_any_order_of_its_moments() {
        let history = [item(1, Some("a")), item(2, Some("b")), item(3, Some("a")), item(4, None)];
        let mut reversed = history.to_vec();
        reversed.reverse();
        assert_eq!(put_together(&reversed), history);
    }

    #[test]
    fn a_tag_that_is_seen_again_where_it_was_has_not_moved() {
        assert_eq!(put_together(&[item(1, Some("a")), item(2, Some("a"))]), [item(1, Some("a"))]);
        assert_eq!(put_together(&[item(2, Some("a")), item(1, Some("a"))]), [item(1, Some("a"))]);
    }
}
