//! The history of a tag, put together from whatever sources saw of it.

use std::collections::BTreeSet;

use super::{Indexes, ObservedTag, PublishError, Publisher};
use crate::oci::{Digest, Reference};
use crate::record::{TagImage, TagItem, TagRecord};

impl Publisher {
    /// Remembers an image index, and resolves the tags that point at it already.
    pub(super) fn observe_index(
        &mut self,
        digest: Digest,
        images: Vec<TagImage>,
    ) -> Result<(), PublishError> {
        if self.indexes.insert(digest, images.clone()).is_some_and(|known| known == images) {
            return Ok(());
        }
        let points_there = |tag: &TagRecord| items_of(tag).iter().any(|item| item.digest == Some(digest));
        let pending = self.pending.tags.values().filter(|tag| points_there(tag)).map(|tag| tag.name.clone());
        let names: BTreeSet<String> = pending.chain(self.places.tags_of(&digest).cloned()).collect();
        for name in names {
            let Some(mut tag) = self.tag(&name)? else { continue };
            let before = tag.clone();
            tag.history.iter_mut().chain([&mut tag.current]).for_each(|item| self.resolve(item));
            if tag != before {
                self.pending.tags.insert(name, tag);
            }
        }
        Ok(())
    }

    /// The publisher with what an earlier one knew of image indexes.
    #[must_use]
    pub fn knowing(self, indexes: Indexes) -> Self {
        Self { indexes, ..self }
    }

    /// What it knows of image indexes, when it has failed.
    pub fn into_indexes(self) -> Indexes {
        self.indexes
    }

    /// Puts the images of an image index in the place of its own digest.
    fn resolve(&self, item: &mut TagItem) {
        let Some(digest) = item.digest else { return };
        if is_unresolved(item)
            && let Some(images) = self.indexes.get(&digest)
        {
            item.images.clone_from(images);
        }
    }

    pub(super) fn observe_tag(&mut self, mut seen: ObservedTag) -> Result<(), PublishError> {
        seen.items.iter_mut().for_each(|item| self.resolve(item));
        let name = Reference::tag_name(&seen.repository, &seen.tag);
        // Taken out and put back: a history can be long, and is not copied for each of its moments.
        let pending = self.pending.tags.remove(&name);
        let is_pending = pending.is_some();
        let known = match pending {
            Some(known) => Some(known),
            None => self.take_published_tag(&name)?,
        };
        let is_known = known.is_some();
        let sequence = known.as_ref().map_or(0, |known| known.sequence);
        let source = known.as_ref().and_then(|known| known.source.clone());
        let mut items = known.map(into_items).unwrap_or_default();
        let is_live = seen.source.is_some();
        let source_now = seen.source.or_else(|| source.clone());
        let mut has_changed = source_now != source;
        // What a live source has now, whatever was missed of what came between.
        let lives = is_live.then(|| seen.items.last().cloned()).flatten();
        for mut item in seen.items {
            // What was resolved once stays so, whichever way round a source tells of it the next time.
            if is_unresolved(&item)
                && let Some(known) = items.iter().find(|known| known.digest == item.digest)
            {
                item.images.clone_from(&known.images);
            }
            let is_new = add(&mut items, item);
            self.pending.tag_items += usize::from(is_new);
            has_changed |= is_new;
        }
        if let Some(lives) = lives
            && let Some(last) = items.last().filter(|last| last.digest != lives.digest)
        {
            // Clocks differ, and moments are cut: it is what the source has last all the same.
            let next = last.since.checked_add(std::time::Duration::from_secs(1)).unwrap_or(last.since);
            has_changed |= add(&mut items, TagItem { since: (self.clock)().max(next), ..lives });
        }
        let Some(current) = items.pop() else { return Ok(()) };
        let record = TagRecord {
            name: name.clone(),
            sequence,
            repository: seen.repository,
            tag: seen.tag,
            source: source_now,
            current,
            history: items,
            home: true,
        };
        if has_changed || is_pending || !is_known {
            self.pending.tags.insert(name, record);
        } else {
            self.give_back(record);
        }
        Ok(())
    }

    /// The tag as it is pending or published, with its history.
    pub(super) fn tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        if let Some(pending) = self.pending.tags.get(name) {
            return Ok(Some(pending.clone()));
        }
        self.published_tag(name)
    }
}

/// Whether nothing but the digest that the tag points at is known: an image, or an index that is not known yet.
fn is_unresolved(item: &TagItem) -> bool {
    item.images.iter().all(|image| Some(image.digest) == item.digest)
}

/// All items of a tag, oldest first.
pub(super) fn items_of(record: &TagRecord) -> Vec<TagItem> {
    record.history.iter().chain([&record.current]).cloned().collect()
}

/// The images that a tag points at: those of an image index, or the one.
pub(super) fn images_of(item: &TagItem) -> Vec<Digest> {
    match (&item.images[..], item.digest) {
        ([], Some(digest)) => vec![digest],
        (images, _) => images.iter().map(|image| image.digest).collect(),
    }
}

fn into_items(record: TagRecord) -> Vec<TagItem> {
    let mut items = record.history;
    items.push(record.current);
    items
}

/// Puts `item` where it belongs in time. One that says what its predecessor says adds nothing: it is left out, and so
/// is one that stands there already, so that a history can be read twice. Whether it was put in.
fn add(items: &mut Vec<TagItem>, item: TagItem) -> bool {
    let at = items.partition_point(|known| known.since <= item.since);
    let is_known =
        items[..at].iter().rev().take_while(|known| known.since == item.since).any(|k| k.same_target(&item));
    let repeats = at.checked_sub(1).is_some_and(|before| items[before].same_target(&item));
    if is_known || repeats {
        return false;
    }
    // What follows may say the same as the new item; the change then happened earlier than was known.
    if items.get(at).is_some_and(|next| next.same_target(&item)) {
        items.remove(at);
    }
    items.insert(at, item);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

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
            add(&mut items, item.clone());
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
