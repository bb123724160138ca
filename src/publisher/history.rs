//! Divides the histories of tags into parts, each a record of its own, and reads them when they are needed. A move then
//! writes the few targets that are in no part yet, whatever the tag has been through ([`TagHistoryRecord`]).
//!
//! In memory as in a record, [`TagRecord::parts`] are those that are not in [`TagRecord::history`].

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::settle::is_index;
use super::written::{Group, Written, at, too_large};
use super::{PublishError, Publisher};
use crate::log::Offset;
use crate::oci::{Digest, LayerChain, LayerIdentity};
use crate::record::{
    Parts, Record, TagHistoryRecord, TagImage, TagItem, TagRecord, Timestamp, Topic, decode, encode,
    partition_of, tombstone,
};

/// Parts of a history, at most: 16,384 moves. A tag that moves each hour has as many after two years. Classes that follow
/// it have taken over its old versions; a class declared later does without the oldest.
const MOST_PARTS: usize = 2_048;
/// Bytes of the records of a history, at most. A history of image indexes with many platforms reaches this bound first.
const MOST_BYTES: usize = 8 << 20;

/// A part of a history, in the partition of its tag's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    number: u32,
    offset: Offset,
    fingerprint: u64,
    bytes: usize,
    /// The time of its first target.
    since: Timestamp,
}

/// The places of all parts.
#[derive(Default)]
pub(super) struct Histories {
    /// By the name of the tag, in the order of their numbers.
    parts: HashMap<String, Vec<Part>>,
}

impl Histories {
    /// Stores the place of a part, whose record has so many bytes.
    pub(super) fn put(&mut self, part: &TagHistoryRecord, offset: Offset, bytes: usize) {
        let parts = self.parts.entry(part.name.clone()).or_default();
        let since = part.items.first().map_or(Timestamp::MIN, |item| item.since);
        let place = Part { number: part.number, offset, fingerprint: fingerprint(&part.items), bytes, since };
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
        let end = parts.end.min(after);
        Parts { first: parts.first.min(end), end }
    }

    /// The parts of a tag in the range, the newest first.
    fn inside(&self, name: &str, of: Parts) -> Vec<Part> {
        let parts = self.parts.get(name).into_iter().flatten().rev();
        parts.filter(|part| (of.first..of.end).contains(&part.number)).copied().collect()
    }

    /// The part of a tag in the range that a moment falls into.
    fn covering(&self, name: &str, of: Parts, since: Timestamp) -> Option<Part> {
        let parts = self.parts.get(name).into_iter().flatten().rev();
        parts
            .filter(|part| (of.first..of.end).contains(&part.number))
            .find(|part| part.since <= since)
            .copied()
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
        for part in self.histories.inside(&tag.name, tag.parts) {
            if !is_wanted(oldest) {
                break;
            }
            let items = self.part(&tag.name, part)?;
            oldest = items.first().map_or(oldest, |item| item.since);
            tag.parts.end = part.number;
            read.push(items);
        }
        let known = std::mem::take(&mut tag.history);
        tag.history = read.iter().rev().flat_map(|items| items.iter().cloned()).chain(known).collect();
        Ok(())
    }

    /// Returns `true` if a moment stands in a part of the tag that was not read. So clade reads one part for each moment of a
    /// history that a source reports again, and not all of them.
    pub(super) fn stands_in_part(&mut self, tag: &TagRecord, item: &TagItem) -> Result<bool, PublishError> {
        if tag.parts.is_empty() || item.since >= tag.history.first().unwrap_or(&tag.current).since {
            return Ok(false);
        }
        let Some(part) = self.histories.covering(&tag.name, tag.parts, item.since) else { return Ok(false) };
        let says_as_much = |known: &TagItem| item.images.is_empty() || item.images == known.images;
        let is_same = |known: &TagItem| known.since == item.since && known.digest == item.digest;
        Ok(self.part(&tag.name, part)?.iter().any(|known| is_same(known) && says_as_much(known)))
    }

    /// The images of an image index, if a part of the tag that was not read has them.
    pub(super) fn resolved_in_part(
        &mut self,
        tag: &TagRecord,
        index: Digest,
    ) -> Result<Option<Vec<TagImage>>, PublishError> {
        for part in self.histories.inside(&tag.name, tag.parts) {
            let items = self.part(&tag.name, part)?;
            let found = items.iter().find(|known| known.digest == Some(index) && is_index(known));
            if let Some(found) = found {
                return Ok(Some(found.images.clone()));
            }
        }
        Ok(None)
    }

    /// The targets of a part; none if its record is gone.
    fn part(&mut self, name: &str, place: Part) -> Result<Arc<[TagItem]>, PublishError> {
        let key = TagHistoryRecord::key(name, place.number);
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
        let partition = by_name(&tag.name, self.log.partitions());
        tag.parts = self.histories.clamp(&tag.name, tag.parts);
        let unread = self.histories.inside(&tag.name, tag.parts);
        let mut bytes: VecDeque<usize> = unread.iter().rev().map(|part| part.bytes).collect();
        tag.parts.first = unread.last().map_or(tag.parts.end, |oldest| oldest.number);
        forget_surplus(tag);
        let mut group = Group::new();
        while tag.history.len() >= TagHistoryRecord::ITEMS {
            let rest = tag.history.split_off(TagHistoryRecord::ITEMS);
            let items = std::mem::replace(&mut tag.history, rest);
            let number = tag.parts.end;
            tag.parts.end = number.saturating_add(1);
            let known = self.histories.find(&tag.name, number);
            if let Some(known) = known.filter(|known| known.fingerprint == fingerprint(&items)) {
                bytes.push_back(known.bytes);
                continue;
            }
            let part = TagHistoryRecord { name: tag.name.clone(), number, sequence: tag.sequence, items };
            let (part, record) = fitting(part)?;
            let size = record.bytes();
            bytes.push_back(size);
            group.push((at(Topic::Tags, partition), record, Written::TagHistory(part, size)));
        }
        let mut sum: usize = bytes.iter().sum();
        if bytes.len() > MOST_PARTS || sum > MOST_BYTES {
            // An eighth more than has to go, so that it is not done with each move.
            while bytes.len() > MOST_PARTS - MOST_PARTS / 8 || sum > MOST_BYTES - MOST_BYTES / 8 {
                sum -= bytes.pop_front().unwrap_or(sum);
                tag.parts.first = tag.parts.first.saturating_add(1);
            }
            let first = tag.parts.first;
            group.retain(
                |(.., written)| !matches!(written, Written::TagHistory(part, _) if part.number < first),
            );
        }
        for number in self.histories.outside(&tag.name, tag.parts) {
            let key = TagHistoryRecord::key(&tag.name, number);
            let record = tombstone::<TagHistoryRecord>(key.clone(), format!("{key}@{}", tag.sequence));
            group.push((at(Topic::Tags, partition), record, Written::TagHistoryGone(key)));
        }
        Ok(group)
    }
}

/// Forgets the oldest targets of a history that is longer than all parts together may be, and the parts before it.
fn forget_surplus(tag: &mut TagRecord) {
    let most = MOST_PARTS * TagHistoryRecord::ITEMS;
    let Some(surplus) = tag.history.len().checked_sub(most).filter(|surplus| *surplus > 0) else { return };
    let parts = surplus.div_ceil(TagHistoryRecord::ITEMS);
    tag.history.drain(..parts * TagHistoryRecord::ITEMS);
    tag.parts.end = tag.parts.end.saturating_add(u32::try_from(parts).unwrap_or(u32::MAX));
    tag.parts.first = tag.parts.end;
}

/// The record of a part, without its oldest targets if it would be too large with them.
fn fitting(mut part: TagHistoryRecord) -> Result<(TagHistoryRecord, Record), PublishError> {
    let key = TagHistoryRecord::key(&part.name, part.number);
    loop {
        let record = encode(key.clone(), &part)?;
        if too_large(&record).is_none() || part.items.is_empty() {
            return Ok((part, record));
        }
        part.items.remove(0);
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
