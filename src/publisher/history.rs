//! Divides the histories of tags into parts, each a record of its own, and reads them when they are needed. A move then
//! writes the few targets that are in no part yet, whatever the tag has been through ([`TagHistoryRecord`]).
//!
//! In memory as in a record, [`TagRecord::parts`] are those that are not in [`TagRecord::history`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::flush::{Group, Written, at, too_large};
use super::{PublishError, Publisher};
use crate::log::Offset;
use crate::oci::{Digest, LayerChain, LayerIdentity};
use crate::record::{
    Parts, TagHistoryRecord, TagItem, TagRecord, Timestamp, Topic, decode, encode, partition_of, tombstone,
};

/// Parts of a history, at most: 16,384 moves. A tag that moves each hour has as many after two years. Classes that follow
/// it have taken over its old versions; a class declared later does without the oldest.
const MOST_PARTS: u32 = 2_048;
/// Parts that are deleted at once when there are too many.
const DELETED_PARTS: u32 = 256;

/// The place of a part in the partition of its tag's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    number: u32,
    offset: Offset,
    fingerprint: u64,
}

/// The places of all parts.
#[derive(Default)]
pub(super) struct Histories {
    /// By the name of the tag, in the order of their numbers.
    parts: HashMap<String, Vec<Part>>,
}

impl Histories {
    /// Stores the place of a part.
    pub(super) fn put(&mut self, part: &TagHistoryRecord, offset: Offset) {
        let parts = self.parts.entry(part.name.clone()).or_default();
        let place = Part { number: part.number, offset, fingerprint: fingerprint(&part.items) };
        match parts.binary_search_by_key(&part.number, |part| part.number) {
            Ok(at) => parts[at] = place,
            Err(at) => parts.insert(at, place),
        }
    }

    /// Forgets the part with this key, if there is one.
    pub(super) fn remove(&mut self, key: &str) {
        let Some((name, number)) = TagHistoryRecord::parse_key(key) else { return };
        let Some(parts) = self.parts.get_mut(name) else { return };
        parts.retain(|part| part.number != number);
        if parts.is_empty() {
            self.parts.remove(name);
        }
    }

    fn find(&self, name: &str, number: u32) -> Option<&Part> {
        let parts = self.parts.get(name)?;
        parts.binary_search_by_key(&number, |part| part.number).ok().map(|at| &parts[at])
    }

    /// The range as far as there are such parts. A stranger may have written any range into the record of a tag.
    fn clamp(&self, name: &str, parts: Parts) -> Parts {
        let last = self.parts.get(name).and_then(|parts| parts.last());
        let after = last.map_or(0, |part| part.number.saturating_add(1));
        Parts { first: parts.first.min(after), end: parts.end.min(after) }
    }

    /// The numbers of a tag's parts in the range, the newest first.
    fn inside(&self, name: &str, of: Parts) -> Vec<u32> {
        let parts = self.parts.get(name).into_iter().flatten().rev();
        parts.map(|part| part.number).filter(|number| (of.first..of.end).contains(number)).collect()
    }

    /// The numbers of a tag's parts outside of the range.
    fn outside(&self, name: &str, kept: Parts) -> Vec<u32> {
        let parts = self.parts.get(name).into_iter().flatten();
        parts.map(|part| part.number).filter(|number| !(kept.first..kept.end).contains(number)).collect()
    }
}

impl Publisher {
    /// The tag as it is pending or published, with its whole history.
    pub(super) fn whole_tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let Some(mut tag) = self.tag(name)? else { return Ok(None) };
        self.read_history(&mut tag, None)?;
        Ok(Some(tag))
    }

    /// Reads the parts of a tag that go back to before a moment, or all, into its history.
    pub(super) fn read_history(
        &mut self,
        tag: &mut TagRecord,
        since: Option<Timestamp>,
    ) -> Result<(), PublishError> {
        tag.parts = self.histories.clamp(&tag.name, tag.parts);
        let mut oldest = tag.history.first().unwrap_or(&tag.current).since;
        let is_wanted = |oldest: Timestamp| since.is_none_or(|since| oldest >= since);
        if tag.parts.is_empty() || !is_wanted(oldest) {
            return Ok(());
        }
        let mut read = Vec::new();
        for number in self.histories.inside(&tag.name, tag.parts) {
            if !is_wanted(oldest) {
                break;
            }
            let items = self.part(&tag.name, number)?;
            oldest = items.first().map_or(oldest, |item| item.since);
            tag.parts.end = number;
            read.push(items);
        }
        let known = std::mem::take(&mut tag.history);
        tag.history = read.iter().rev().flat_map(|items| items.iter().cloned()).chain(known).collect();
        Ok(())
    }

    /// The targets of a part; none if its record is gone.
    fn part(&mut self, name: &str, number: u32) -> Result<Arc<[TagItem]>, PublishError> {
        let Some(place) = self.histories.find(name, number) else { return Ok(Arc::default()) };
        let key = TagHistoryRecord::key(name, number);
        if let Some(items) = self.cache.part(&key, place.offset) {
            return Ok(items);
        }
        let stored = self.log.get(at(Topic::Tags, by_name(name, self.log.partitions())), place.offset)?;
        let record = match stored {
            Some(stored) => decode::<TagHistoryRecord>(&stored.record)?,
            None => None,
        };
        let items: Arc<[TagItem]> = record.map(|record| record.items.into()).unwrap_or_default();
        self.cache.put_part(key, place.offset, Arc::clone(&items));
        Ok(items)
    }

    /// Moves all but the newest targets of a tag from its history into parts. Returns the records of those that are not
    /// published as they are, and the deletions of those that are too many.
    pub(super) fn part_records(&mut self, tag: &mut TagRecord) -> Result<Group, PublishError> {
        let mut group = Group::new();
        let partition = by_name(&tag.name, self.log.partitions());
        tag.parts = self.histories.clamp(&tag.name, tag.parts);
        while tag.history.len() >= TagHistoryRecord::ITEMS {
            let rest = tag.history.split_off(TagHistoryRecord::ITEMS);
            let items = std::mem::replace(&mut tag.history, rest);
            let number = tag.parts.end;
            tag.parts.end = number.saturating_add(1);
            let known = self.histories.find(&tag.name, number);
            if known.is_some_and(|known| known.fingerprint == fingerprint(&items)) {
                continue;
            }
            let mut part = TagHistoryRecord { name: tag.name.clone(), number, sequence: tag.sequence, items };
            let key = TagHistoryRecord::key(&part.name, number);
            let mut record = encode(key.clone(), &part)?;
            if let Some(problem) = too_large(&record) {
                self.bury(format!("part {number} of the history of tag {}", part.name), &record, problem);
                part.items.clear();
                record = encode(key, &part)?;
            }
            group.push((at(Topic::Tags, partition), record, Written::TagHistory(part)));
        }
        if tag.parts.end - tag.parts.first > MOST_PARTS {
            tag.parts.first = tag.parts.end - (MOST_PARTS - DELETED_PARTS);
            let is_kept = |written: &Written| !matches!(written, Written::TagHistory(part) if part.number < tag.parts.first);
            group.retain(|(.., written)| is_kept(written));
        }
        for number in self.histories.outside(&tag.name, tag.parts) {
            let key = TagHistoryRecord::key(&tag.name, number);
            let record = tombstone::<TagHistoryRecord>(key.clone(), format!("{key}@{}", tag.sequence));
            group.push((at(Topic::Tags, partition), record, Written::TagHistoryGone(key)));
        }
        Ok(group)
    }
}

/// The partition that the name of a tag gives: that of its history, and of a tag without known images.
pub(super) fn by_name(name: &str, partitions: u16) -> u16 {
    let none = LayerChain::new(LayerIdentity::Blob, []);
    partition_of(&Digest::of(name.as_bytes()), &none, partitions)
}

/// A hash that recognises the same targets again.
fn fingerprint(items: &[TagItem]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        item.since.hash(&mut hasher);
        item.digest.hash(&mut hasher);
        for image in &item.images {
            (image.digest, &image.platform).hash(&mut hasher);
        }
        item.images.len().hash(&mut hasher);
    }
    hasher.finish()
}
