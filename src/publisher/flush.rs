//! Writes pending records.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::history::by_name;
use super::places::TagPlace;
use super::tags::images_of;
use super::written::{Group, Written, at, too_large};
use super::{PublishError, Publisher, bound_claims};
use crate::log::Batch;
use crate::record::{
    BuildConfigRecord, CatalogRecord, DeadLetterRecord, ImageRecord, Parts, Record, TagHistoryRecord,
    TagRecord, Topic, TraceContext, Value, encode, partition_of, tombstone,
};
use crate::telemetry::{Operation, Span};

/// Pending images that cause a flush: bounds memory, and keeps an append well below a second.
pub(super) const PENDING_IMAGES: usize = 8_192;
/// Records of one append: large enough for the storage to be fast, small enough for readers to follow closely.
const BATCH_RECORDS: usize = 4_096;
const BATCH_BYTES: usize = 8 << 20;

/// The next append.
#[derive(Default)]
struct Append {
    batch: Batch,
    written: Vec<Written>,
    spans: Vec<Span>,
    bytes: usize,
}

impl Publisher {
    /// Writes everything pending: images first, then the tags that point at them, then the classes that follow those
    /// tags.
    pub fn flush(&mut self) -> Result<(), PublishError> {
        self.add_late_claims()?;
        self.find_moved_tags();
        self.track()?;
        let mut groups = self.image_groups()?;
        self.append(std::mem::take(&mut groups))?;
        let groups = self.tag_groups()?;
        self.append(groups)?;
        let groups = self.other_groups()?;
        self.append(groups)
    }

    /// Adds late claims to images that were published before.
    fn add_late_claims(&mut self) -> Result<(), PublishError> {
        for (digest, claims) in std::mem::take(&mut self.pending.claims) {
            let Some(mut image) = self.image(&digest)? else {
                self.pending.claims.insert(digest, claims);
                continue;
            };
            let before = image.claims.len();
            image.claims.extend(claims);
            bound_claims(&mut image);
            if image.claims.len() > before {
                self.pending.images.insert(digest, Some(image));
            }
        }
        Ok(())
    }

    /// Tags stand in the partitions of their images, so an image that comes or goes may move them.
    fn find_moved_tags(&mut self) {
        for (digest, image) in &self.pending.images {
            let is_new = self.places.image(digest).is_none() || image.is_none();
            if is_new {
                self.pending.moved_tags.extend(self.places.tags_of(digest).cloned());
            }
        }
    }

    fn image_groups(&mut self) -> Result<Vec<Group>, PublishError> {
        let mut groups = Vec::with_capacity(self.pending.images.len());
        for (digest, image) in std::mem::take(&mut self.pending.images) {
            let before = self.places.image(&digest).map(|place| place.partition);
            let gone_from = |partition: u16, sequence: u64| {
                let record = tombstone::<ImageRecord>(digest.to_string(), format!("{digest}@{sequence}"));
                (at(Topic::Images, partition), record)
            };
            self.sequence += 1;
            let mut group = Group::new();
            match image {
                Some(mut image) => {
                    image.sequence = self.sequence;
                    let partition = partition_of(&digest, &image.chain(), self.log.partitions());
                    let record = encode(digest.to_string(), &image)?;
                    if let Some(problem) = too_large(&record) {
                        self.bury(format!("image {digest}"), &record, problem);
                        continue;
                    }
                    if let Some(before) = before.filter(|before| *before != partition) {
                        let (to, record) = gone_from(before, self.sequence);
                        group.push((to, record, Written::Nothing));
                    }
                    group.push((
                        at(Topic::Images, partition),
                        record,
                        Written::Image(Box::new(image), partition),
                    ));
                    self.counts.images += 1;
                }
                None => {
                    let Some(before) = before else { continue };
                    let (to, record) = gone_from(before, self.sequence);
                    group.push((to, record, Written::ImageGone(digest)));
                }
            }
            groups.push(group);
        }
        Ok(groups)
    }

    fn tag_groups(&mut self) -> Result<Vec<Group>, PublishError> {
        let moved = std::mem::take(&mut self.pending.moved_tags);
        for name in moved {
            if !self.pending.tags.contains_key(&name)
                && let Some(tag) = self.published_tag(&name)?
            {
                self.pending.tags.insert(name, tag);
            }
        }
        self.pending.tag_items = 0;
        let mut groups = Vec::with_capacity(self.pending.tags.len());
        for (name, mut record) in std::mem::take(&mut self.pending.tags) {
            self.sequence += 1;
            record.sequence = self.sequence;
            if let Some(group) = self.tag_group(&name, record)? {
                groups.push(group);
                self.counts.tags += 1;
            }
        }
        Ok(groups)
    }

    /// Writes a tag to every partition that holds one of its images, first to the new ones and then a deletion to those
    /// that it left, so that no reader misses it. The history goes to its home only, and what is too long for it before
    /// into parts.
    fn tag_group(&mut self, name: &str, mut record: TagRecord) -> Result<Option<Group>, PublishError> {
        let source = self.places.source_set(record.source.as_slice());
        let before = self.places.tag(name);
        let images = images_of(&record.current);
        let found: Vec<u16> =
            images.iter().filter_map(|image| self.places.image(image)).map(|place| place.partition).collect();
        // A tag without known images stays where it was; a new one goes to the partition of its name.
        let fallback = || before.map_or_else(|| by_name(name, self.log.partitions()), |place| place.home);
        let home = found.first().copied().unwrap_or_else(fallback);
        let partitions: BTreeSet<u16> = found.into_iter().chain([home]).collect();
        record.home = true;
        let mut group = self.part_records(&mut record)?;
        let mut encoded = encode(name.to_owned(), &record)?;
        while too_large(&encoded).is_some() && !record.history.is_empty() {
            // A class declared later does without the oldest.
            record.history.drain(..record.history.len().div_ceil(4));
            encoded = encode(name.to_owned(), &record)?;
        }
        if let Some(problem) = too_large(&encoded) {
            self.bury(format!("tag {name}"), &encoded, problem);
            return Ok(None);
        }
        let before = self.places.tag(name);
        let away = TagRecord {
            history: Vec::new(),
            parts: Parts::default(),
            home: false,
            ..TagRecord::clone(&record)
        };
        let place = TagPlace { partitions: partitions.clone(), home, offset: 0, source, images };
        let id = format!("{name}@{}", record.sequence);
        group.push((at(Topic::Tags, home), encoded, Written::Tag(Box::new(record), place)));
        for partition in partitions.iter().filter(|partition| **partition != home) {
            group.push((at(Topic::Tags, *partition), encode(name.to_owned(), &away)?, Written::Nothing));
        }
        for partition in before.iter().flat_map(|place| place.partitions.difference(&partitions)) {
            let record = tombstone::<TagRecord>(name.to_owned(), id.clone());
            group.push((at(Topic::Tags, *partition), record, Written::Nothing));
        }
        Ok(Some(group))
    }

    /// Writes a dead letter for a record that exceeds the size limit.
    pub(super) fn bury(&mut self, origin: String, record: &Record, problem: String) {
        let key = Some(record.key.clone());
        self.pending.dead_letters.push(DeadLetterRecord::new(origin, key, problem, record.value.as_deref()));
    }

    fn other_groups(&mut self) -> Result<Vec<Group>, PublishError> {
        let mut groups = Vec::new();
        for (key, record) in std::mem::take(&mut self.pending.build_configs) {
            let known = self.build_configs.get(&key);
            let same = |known: &BuildConfigRecord, new: &BuildConfigRecord| {
                *known == BuildConfigRecord { sequence: known.sequence, ..new.clone() }
            };
            if known.zip(record.as_ref()).is_some_and(|(known, new)| same(known, new)) {
                continue;
            }
            self.sequence += 1;
            let encoded = match record {
                Some(record) => {
                    let record = BuildConfigRecord { sequence: self.sequence, ..record };
                    let encoded = encode(key.clone(), &record)?;
                    self.build_configs.insert(key, record);
                    encoded
                }
                None => {
                    self.build_configs.remove(&key);
                    let id = format!("{key}@{}", self.sequence);
                    tombstone::<BuildConfigRecord>(key, id)
                }
            };
            if let Some(problem) = too_large(&encoded) {
                self.bury(format!("buildconfig {}", encoded.key), &encoded, problem);
                continue;
            }
            groups.push(vec![(at(BuildConfigRecord::TOPIC, 0), encoded, Written::Nothing)]);
            self.counts.build_configs += 1;
        }
        self.workload_groups(&mut groups)?;
        // In their order: versions before the class that counts them, the deletion of a class before that of its
        // versions.
        for (key, record) in std::mem::take(&mut self.pending.catalog) {
            self.sequence += 1;
            let record = match record {
                Some(record) => encode(key.to_string(), &record)?,
                None => tombstone::<CatalogRecord>(key.to_string(), format!("{key}@{}", self.sequence)),
            };
            if let Some(problem) = too_large(&record) {
                self.bury(key.to_string(), &record, problem);
                continue;
            }
            groups.push(vec![(at(Topic::Catalog, 0), record, Written::Nothing)]);
        }
        for letter in std::mem::take(&mut self.pending.dead_letters) {
            let record = encode(letter.origin.clone(), &letter)?;
            groups.push(vec![(at(Topic::DeadLetters, 0), record, Written::Nothing)]);
            self.counts.dead_letters += 1;
        }
        Ok(groups)
    }

    /// Appends the groups in batches, no group divided, and stores the new places.
    fn append(&mut self, groups: Vec<Group>) -> Result<(), PublishError> {
        let mut next = Append::default();
        for group in groups {
            let is_full = next.batch.len() + group.len() > BATCH_RECORDS || next.bytes >= BATCH_BYTES;
            if !next.batch.is_empty() && is_full {
                self.append_batch(std::mem::take(&mut next))?;
            }
            self.traces += 1;
            let trace = TraceContext::root(&format!("{:x}-{}", self.instance, self.traces));
            let trace = trace.sampled(self.spans.sample(&trace));
            if trace.is_sampled() {
                next.spans.extend(span(trace, &group));
            }
            for (to, record, meaning) in group {
                next.bytes += record.bytes();
                next.batch.push((to, record.traced(Some(trace))));
                next.written.push(meaning);
            }
        }
        if next.batch.is_empty() { Ok(()) } else { self.append_batch(next) }
    }

    fn append_batch(&mut self, next: Append) -> Result<(), PublishError> {
        let appended = self.writer.append(next.batch);
        let error = appended.as_ref().err().map(ToString::to_string);
        self.spans.end(next.spans, error.as_deref());
        for (offset, written) in appended?.into_iter().zip(next.written) {
            match written {
                Written::Image(image, partition) => {
                    self.places.put_image(&image, partition, offset);
                }
                Written::ImageGone(digest) => self.places.remove_image(&digest),
                Written::Tag(tag, place) => {
                    let home = place.home;
                    self.places.put_tag(&tag.name, TagPlace { offset, ..place });
                    self.cache.put_tag(*tag, home, offset);
                }
                Written::TagHistory(part, bytes) => {
                    self.histories.put(&part, offset, bytes);
                    let key = TagHistoryRecord::key(&part.name, part.number);
                    self.cache.put_part(key, offset, part.items.into());
                }
                Written::TagHistoryGone(key) => self.histories.remove(&key),
                Written::Nothing => {}
            }
        }
        Ok(())
    }
}

/// The span of a group: that of its main record, for which the other records only make room or which they repeat.
fn span(context: TraceContext, group: &Group) -> Option<Span> {
    let is_main =
        |written: &Written| matches!(written, Written::Image(..) | Written::ImageGone(_) | Written::Tag(..));
    let main = group.iter().find(|(.., written)| is_main(written));
    let (to, record, _) = main.or(group.first())?;
    Some(Span {
        context,
        parent: None,
        operation: Operation::Publish,
        topic: to.topic,
        partition: to.partition,
        key: record.key.clone(),
        is_tombstone: record.value.is_none(),
        begun: SystemTime::now(),
    })
}
