//! Merges the observations of sources into the history of a tag.

use std::collections::BTreeSet;

use super::{Indexes, PublishError, Publisher};
use crate::observe::ObservedTag;
use crate::oci::{Digest, Reference};
use crate::record::{DeadLetterRecord, StreamTag, TagImage, TagItem, TagRecord, Timestamp};

impl Publisher {
    /// Stores an image index, and resolves the tags that point at it already.
    pub(super) fn observe_index(
        &mut self,
        digest: Digest,
        images: Vec<TagImage>,
    ) -> Result<(), PublishError> {
        if self.indexes.insert(digest, images.clone()).is_some_and(|known| known == images) {
            return Ok(());
        }
        self.pending.classes.extend(self.waiting_classes.remove(&digest).unwrap_or_default());
        let points_there = |tag: &TagRecord| items_of(tag).iter().any(|item| item.digest == Some(digest));
        let pending = self.pending.tags.values().filter(|tag| points_there(tag)).map(|tag| tag.name.clone());
        let names: BTreeSet<String> =
            pending.chain(self.places.tags_of(&digest).map(str::to_owned)).collect();
        for name in names {
            let Some(mut tag) = self.whole_tag(&name)? else { continue };
            let before = tag.clone();
            tag.history.iter_mut().chain([&mut tag.current]).for_each(|item| self.resolve(item));
            if tag != before {
                self.pending.tags.insert(name, Box::new(tag));
            }
        }
        Ok(())
    }

    /// Adds the image indexes that an earlier publisher knew.
    #[must_use]
    pub fn knowing(mut self, indexes: Indexes) -> Self {
        self.indexes.extend(indexes);
        self
    }

    /// The known image indexes, for the successor of a publisher that has failed.
    pub fn into_indexes(self) -> Indexes {
        self.indexes
    }

    /// Replaces the digest of an image index with its images.
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
        if seen.tag.contains('/') {
            let reason = "a tag contains no slash: the part before it belongs to the repository".to_owned();
            self.pending.dead_letters.push(DeadLetterRecord::new(format!("tag {name}"), None, reason, None));
            return Ok(());
        }
        match self.defer(&name, seen) {
            Some(seen) => {
                self.merge_deferred(&name)?;
                self.merge_tag(&name, seen)
            }
            None => Ok(()),
        }
    }

    /// Merges an observation with what is pending or published of its tag.
    pub(super) fn merge_tag(&mut self, name: &str, mut seen: ObservedTag) -> Result<(), PublishError> {
        // Taken out and put back: a history can be long, and is not copied for each of its items.
        let pending = self.pending.tags.remove(name);
        let is_pending = pending.is_some();
        let mut known = match pending {
            Some(known) => Some(*known),
            None => self.take_published_tag(name)?,
        };
        if let Some(known) = &mut known {
            self.read_for(known, &mut seen)?;
        }
        let Some(Merged { record, added, has_changed }) = merge(name.to_owned(), known, seen, (self.clock)())
        else {
            return Ok(());
        };
        self.pending.tag_items += added;
        if has_changed || is_pending {
            self.pending.tags.insert(record.name.clone(), Box::new(record));
        } else {
            self.give_back(record);
        }
        Ok(())
    }

    /// Reads as much of a tag's history as an observation needs to be merged with it, and takes out of the observation what
    /// stands in parts that need not be read.
    pub(super) fn read_for(
        &mut self,
        known: &mut TagRecord,
        seen: &mut ObservedTag,
    ) -> Result<(), PublishError> {
        // The last moment of a live source says where the tag is now, also if the tag was there before.
        let present = if seen.source.is_some() { seen.items.pop() } else { None };
        let mut news = Vec::with_capacity(seen.items.len() + 1);
        for item in seen.items.drain(..) {
            if !self.stands_in_part(known, &item)? {
                news.push(item);
            }
        }
        news.extend(present);
        for item in &mut news {
            if let Some(digest) = item.digest.filter(|digest| known.current.digest != Some(*digest))
                && is_unresolved(item)
                && !self.is_known_image(&digest)
                && let Some(images) = self.resolved_in_part(known, digest)?
            {
                item.images = images;
            }
        }
        seen.items = news;
        match seen.items.iter().map(|item| item.since).min() {
            Some(oldest) => self.read_history(known, Some(oldest)),
            None => Ok(()),
        }
    }

    /// Observes the facts that an image stream states about a tag. The tag was observed before.
    pub(super) fn observe_stream_tag(&mut self, name: &str, of: StreamTag) -> Result<(), PublishError> {
        if let Some(mut tag) = self.tag(name)?.filter(|tag| tag.stream != of) {
            tag.stream = of;
            self.pending.tags.insert(tag.name.clone(), Box::new(tag));
        }
        Ok(())
    }

    /// The tag as it is pending or published, with what its record has of its history.
    pub(super) fn tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        self.merge_deferred(name)?;
        if let Some(pending) = self.pending.tags.get(name) {
            return Ok(Some(TagRecord::clone(pending)));
        }
        self.published_tag(name)
    }
}

/// A tag merged with an observation.
struct Merged {
    record: TagRecord,
    /// The number of new items.
    added: usize,
    /// `true` if the record differs from the known one, or there was none.
    has_changed: bool,
}

/// Merges the known history of a tag, if there is one, with an observation. Returns `None` if neither has an item.
/// Pure.
fn merge(name: String, known: Option<TagRecord>, seen: ObservedTag, now: Timestamp) -> Option<Merged> {
    let ObservedTag { source, repository, tag, items: moments, complete } = seen;
    let (is_new, sequence) = (known.is_none(), known.as_ref().map_or(0, |known| known.sequence));
    let known_source = known.as_ref().and_then(|known| known.source.clone());
    let stream = known.as_ref().map(|known| known.stream.clone()).unwrap_or_default();
    let parts = known.as_ref().map(|known| known.parts).unwrap_or_default();
    let was_complete = known.as_ref().filter(|known| known.complete).map(|known| known.current.digest);
    let mut items = known.map(into_items).unwrap_or_default();
    // The present target in a live source, whatever moves before it were missed.
    let lives = source.as_ref().and(moments.last().cloned());
    let mut added = 0;
    for mut item in moments {
        keep_resolved(&items, &mut item);
        added += usize::from(add(&mut items, item));
    }
    let is_told = lives.is_some();
    let is_moved = lives.is_some_and(|lives| move_to(&mut items, lives, now));
    let source = source.or_else(|| known_source.clone());
    let current = items.pop()?;
    // Only the live source knows whether it has read everything. What others say moves the tag or changes nothing.
    let complete = if is_told { complete } else { was_complete == Some(current.digest) };
    let has_changed =
        is_new || added > 0 || is_moved || source != known_source || complete != was_complete.is_some();
    let record = TagRecord {
        name,
        sequence,
        repository,
        tag,
        source,
        current,
        complete,
        history: items,
        parts,
        stream,
        home: true,
    };
    Some(Merged { record, added, has_changed })
}

/// Gives an item the images that are known of its image index. An index that was resolved once stays resolved, in
/// whichever order a source reports it the next time.
fn keep_resolved(items: &[TagItem], item: &mut TagItem) {
    if is_unresolved(item)
        && let Some(known) = items.iter().find(|known| known.digest == item.digest)
    {
        item.images.clone_from(&known.images);
    }
}

/// Makes `lives` the last item if the last one points elsewhere. Clocks differ and times are cut, but `lives` is the
/// present target in the source. Returns `true` if it had to.
fn move_to(items: &mut Vec<TagItem>, lives: TagItem, now: Timestamp) -> bool {
    let Some(last) = items.last().filter(|last| last.digest != lives.digest) else { return false };
    let next = last.since.checked_add(std::time::Duration::from_secs(1)).unwrap_or(last.since);
    add(items, TagItem { since: now.max(next), ..lives })
}

/// Returns `true` if only the digest that the tag points at is known: an image, or an image index that is not known
/// yet.
fn is_unresolved(item: &TagItem) -> bool {
    item.images.iter().all(|image| Some(image.digest) == item.digest)
}

/// The items of a tag that are in no part, oldest first.
pub(super) fn items_of(record: &TagRecord) -> Vec<TagItem> {
    record.history.iter().chain([&record.current]).cloned().collect()
}

/// The images that a tag points at: those of an image index, or the single one.
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

/// Inserts `item` by its time. An item that repeats its predecessor, or that exists already, is left out, so that a
/// history can be read twice. Returns `true` if it was inserted.
fn add(items: &mut Vec<TagItem>, item: TagItem) -> bool {
    let at = items.partition_point(|known| known.since <= item.since);
    let is_known =
        items[..at].iter().rev().take_while(|known| known.since == item.since).any(|k| k.same_target(&item));
    let repeats = at.checked_sub(1).is_some_and(|before| items[before].same_target(&item));
    if is_known || repeats {
        return false;
    }
    // The next item may have the same target; the change then happened earlier than was known.
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
            since: Timestamp::from_second(second).unwrap(),
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
