//! Writes pending records.

use std::collections::BTreeSet;

use super::history::by_name;
use super::places::TagPlace;
use super::tags::images_of;
use super::written::{Group, Written, at, too_large};
use super::{PublishError, Publisher, bound_claims};
use crate::oci::Digest;
use crate::record::{
    BuildConfigRecord, CatalogRecord, DeadLetterRecord, ImageRecord, Parts, Record, TagRecord, Topic, Value,
    encode, partition_of, tombstone,
};

/// Pending images that cause a flush: bounds memory, and keeps an append well below a second.
pub(super) const PENDING_IMAGES: usize = 8_192;

impl Publisher {
    /// Writes everything pending: images first, then the tags that point at them, then the classes that follow those
    /// tags.
    pub fn flush(&mut self) -> Result<(), PublishError> {
        self.add_late_claims()?;
        self.find_moved_tags();
        self.track()?;
        self.write_images()?;
        self.write_tags()?;
        self.write_others()
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
                self.pending.moved_tags.extend(self.places.tags_of(digest).map(str::to_owned));
            }
        }
    }

    fn write_images(&mut self) -> Result<(), PublishError> {
        for (digest, image) in std::mem::take(&mut self.pending.images) {
            self.sequence += 1;
            if let Some(group) = self.image_group(digest, image)? {
                self.put_group(group)?;
            }
        }
        self.finish_appends()
    }

    /// Writes an image to its partition, or its deletion; and its deletion to the partition that it left.
    fn image_group(
        &mut self,
        digest: Digest,
        image: Option<ImageRecord>,
    ) -> Result<Option<Group>, PublishError> {
        let before = self.places.image(&digest).map(|place| place.partition);
        let gone_from = |partition: u16, sequence: u64| {
            let record = tombstone::<ImageRecord>(digest.to_string(), format!("{digest}@{sequence}"));
            (at(Topic::Images, partition), record)
        };
        let mut group = Group::new();
        match image {
            Some(mut image) => {
                image.sequence = self.sequence;
                let partition = partition_of(&digest, &image.chain(), self.log.partitions());
                let record = encode(digest.to_string(), &image)?;
                if let Some(problem) = too_large(&record) {
                    self.bury(format!("image {digest}"), &record, problem);
                    return Ok(None);
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
                let Some(before) = before else { return Ok(None) };
                let (to, record) = gone_from(before, self.sequence);
                group.push((to, record, Written::ImageGone(digest)));
            }
        }
        Ok(Some(group))
    }

    fn write_tags(&mut self) -> Result<(), PublishError> {
        for name in std::mem::take(&mut self.pending.moved_tags) {
            self.merge_deferred(&name)?;
            if !self.pending.tags.contains_key(&name)
                && let Some(tag) = self.published_tag(&name)?
            {
                self.pending.tags.insert(name, Box::new(tag));
            }
        }
        for (name, record) in std::mem::take(&mut self.pending.tags) {
            self.write_tag(&name, record)?;
        }
        while let Some((name, _)) = self.pending.deferred.first_key_value() {
            let name = name.clone();
            self.merge_deferred(&name)?;
            if let Some(record) = self.pending.tags.remove(&name) {
                self.write_tag(&name, record)?;
            }
        }
        self.pending.tag_items = 0;
        self.finish_appends()
    }

    fn write_tag(&mut self, name: &str, mut record: Box<TagRecord>) -> Result<(), PublishError> {
        self.sequence += 1;
        record.sequence = self.sequence;
        if let Some(group) = self.tag_group(name, record)? {
            self.put_group(group)?;
            self.counts.tags += 1;
        }
        Ok(())
    }

    /// Writes a tag to every partition that holds one of its images, first to the new ones and then a deletion to those
    /// that it left, so that no reader misses it. The history goes to its home only, and what is too long for it before
    /// into parts.
    fn tag_group(&mut self, name: &str, mut record: Box<TagRecord>) -> Result<Option<Group>, PublishError> {
        let source = self.places.source_set(record.source.as_slice());
        let images: Box<[Digest]> = images_of(&record.current).into();
        let found: Vec<u16> =
            images.iter().filter_map(|image| self.places.image(image)).map(|place| place.partition).collect();
        // A tag without known images stays where it was; a new one goes to the partition of its name.
        let before = self.places.tag(name);
        let fallback = || before.map_or_else(|| by_name(name, self.log.partitions()), |place| place.home);
        let home = found.first().copied().unwrap_or_else(fallback);
        let partitions: BTreeSet<u16> = found.into_iter().chain([home]).collect();
        record.home = true;
        let mut group = self.part_records(&mut record)?;
        let mut encoded = encode(name.to_owned(), &*record)?;
        while too_large(&encoded).is_some() && !record.history.is_empty() {
            // A class declared later does without the oldest.
            record.history.drain(..record.history.len().div_ceil(4));
            encoded = encode(name.to_owned(), &*record)?;
        }
        if let Some(problem) = too_large(&encoded) {
            self.bury(format!("tag {name}"), &encoded, problem);
            return Ok(None);
        }
        let away: Box<[u16]> = partitions.iter().copied().filter(|partition| *partition != home).collect();
        let copies = Self::copies(name, &record, &away)?;
        let gone = self.places.tag(name).into_iter().flat_map(TagPlace::partitions);
        let gone = gone.filter(|partition| !partitions.contains(partition)).map(|partition| {
            let id = format!("{name}@{}", record.sequence);
            let record = tombstone::<TagRecord>(name.to_owned(), id);
            (at(Topic::Tags, partition), record, Written::Nothing)
        });
        let gone: Group = gone.collect();
        let place = TagPlace { home, offset: 0, away, source, images };
        group.push((at(Topic::Tags, home), encoded, Written::Tag(record, place)));
        group.extend(copies.into_iter().chain(gone));
        Ok(Some(group))
    }

    /// A tag as it stands outside of its home: without its history.
    fn copies(name: &str, record: &TagRecord, away: &[u16]) -> Result<Group, PublishError> {
        if away.is_empty() {
            return Ok(Group::new());
        }
        let copy = TagRecord { history: Vec::new(), parts: Parts::default(), home: false, ..record.clone() };
        let copy = encode(name.to_owned(), &copy)?;
        Ok(away
            .iter()
            .map(|partition| (at(Topic::Tags, *partition), copy.clone(), Written::Nothing))
            .collect())
    }

    /// Writes a dead letter for a record that exceeds the size limit.
    pub(super) fn bury(&mut self, origin: String, record: &Record, problem: String) {
        let key = Some(record.key.clone());
        self.pending.dead_letters.push(DeadLetterRecord::new(origin, key, problem, record.value.as_deref()));
    }

    fn write_others(&mut self) -> Result<(), PublishError> {
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
            self.put_group(vec![(at(BuildConfigRecord::TOPIC, 0), encoded, Written::Nothing)])?;
            self.counts.build_configs += 1;
        }
        self.write_workloads()?;
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
            self.put_group(vec![(at(Topic::Catalog, 0), record, Written::Nothing)])?;
        }
        for letter in std::mem::take(&mut self.pending.dead_letters) {
            let record = encode(letter.origin.clone(), &letter)?;
            self.put_group(vec![(at(Topic::DeadLetters, 0), record, Written::Nothing)])?;
            self.counts.dead_letters += 1;
        }
        self.finish_appends()
    }
}
