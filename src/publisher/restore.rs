//! Reads what was published before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::append::Appends;
use super::cache::Cache;
use super::claimed::Claimed;
use super::handover::refuse_unfinished;
use super::history::{Histories, by_name};
use super::places::{Places, SourceSet, TagPlace};
use super::tags::images_of;
use super::{Counts, Pending, PublishError, Publisher};
use crate::class::Catalog;
use crate::log::{Offset, SharedLog, Stored, TopicPartition, for_each};
use crate::oci::Digest;
use crate::record::{
    BuildConfigRecord, CatalogKey, CatalogRecord, ImageRecord, TagHistoryRecord, TagItem, TagRecord,
    Timestamp, Topic, decode, has_type,
};
use crate::telemetry::Spans;

impl Publisher {
    /// Returns a publisher that continues where an earlier one stopped. It fences the earlier one.
    pub fn restore(log: SharedLog, clock: fn() -> Timestamp) -> Result<Self, PublishError> {
        // First: a migration under way must not be fenced.
        refuse_unfinished(&*log)?;
        Self::open(log, clock)
    }

    /// Does the same on topics into which a migration may not have finished.
    pub(super) fn open(log: SharedLog, clock: fn() -> Timestamp) -> Result<Self, PublishError> {
        let writer = log.writer("publisher")?;
        let mut publisher = Self {
            writer,
            appends: Appends::default(),
            clock,
            delay: Duration::ZERO,
            unsettled: BTreeMap::new(),
            instance: RandomState::new().hash_one(0),
            traces: 0,
            spans: Spans::default(),
            sequence: 0,
            places: Places::default(),
            histories: Histories::default(),
            cache: Cache::default(),
            build_configs: BTreeMap::new(),
            workloads: BTreeMap::new(),
            catalog: Catalog::default(),
            followers: BTreeMap::new(),
            waiting_classes: HashMap::new(),
            patterned: BTreeMap::new(),
            young: BTreeMap::new(),
            remembered: BTreeMap::new(),
            claimed: Claimed::default(),
            adopting: HashMap::new(),
            wanted: BTreeMap::new(),
            has_other_wants: true,
            has_examined: false,
            indexes: HashMap::new(),
            doubts: HashMap::new(),
            pending: Pending::default(),
            counts: Counts::default(),
            log,
        };
        publisher.restore_catalog()?;
        let followed = publisher.followed_images();
        for partition in 0..publisher.log.partitions() {
            publisher.restore_images(partition, &followed)?;
        }
        publisher.restore_tags()?;
        publisher.restore_build_configs()?;
        publisher.restore_workloads()?;
        // The next flush examines every class again: the last publisher may have stopped between writing a tag and
        // writing the class versions that follow from it.
        publisher.pending.classes =
            publisher.catalog.classes().map(|class| class.record.name.clone()).collect();
        Ok(publisher)
    }

    /// Sets the exporter of spans.
    #[must_use]
    pub fn traced(self, spans: Spans) -> Self {
        Self { spans, ..self }
    }

    fn restore_build_configs(&mut self) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        for_each(&*log, TopicPartition { topic: Topic::Buildconfigs, partition: 0 }, |stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            match decode::<BuildConfigRecord>(&stored.record) {
                Ok(Some(record)) => drop(self.build_configs.insert(stored.record.key.clone(), record)),
                Ok(None) => drop(self.build_configs.remove(&stored.record.key)),
                Err(_) => {}
            }
        })?;
        Ok(())
    }

    /// The images of all versions, whose chains will be needed at once.
    fn followed_images(&self) -> HashSet<Digest> {
        let versions = self.catalog.classes().flat_map(crate::class::Class::versions);
        versions.flat_map(|version| &version.images).map(|image| image.digest).collect()
    }

    /// Sets the settling delay for tags of live sources.
    #[must_use]
    pub fn settling(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    fn restore_images(&mut self, partition: u16, followed: &HashSet<Digest>) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        for_each(&*log, TopicPartition { topic: Topic::Images, partition }, |stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            // A record that cannot be decoded was not written by this version; the publisher ignores it.
            match decode::<ImageRecord>(&stored.record) {
                // An image that moved to another partition has a record with a higher sequence there.
                Ok(Some(image)) if self.is_later_elsewhere(&image, partition) => {}
                Ok(Some(image)) => {
                    let place = self.places.put_image(&image, partition, stored.offset);
                    self.claimed.add(&image.claims);
                    if followed.contains(&image.digest) {
                        self.cache.put_chain(&image, &place);
                    }
                }
                Ok(None) => {
                    if let Ok(digest) = stored.record.key.parse::<Digest>()
                        && self.places.image(&digest).is_some_and(|place| place.partition == partition)
                    {
                        self.places.remove_image(&digest);
                    }
                }
                Err(_) => {}
            }
        })?;
        Ok(())
    }

    fn is_later_elsewhere(&self, image: &ImageRecord, partition: u16) -> bool {
        let known = self.places.image(&image.digest);
        known.is_some_and(|place| place.partition != partition && place.sequence > image.sequence)
    }

    fn restore_tags(&mut self) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        let mut partitions: HashMap<String, BTreeSet<u16>> = HashMap::new();
        let mut homes: HashMap<String, (u64, u16, Offset, SourceSet, Vec<Digest>)> = HashMap::new();
        for partition in 0..log.partitions() {
            for_each(&*log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
                self.sequence = self.sequence.max(sequence_of(stored));
                if has_type::<TagHistoryRecord>(&stored.record) || stored.record.value.is_none() {
                    self.restore_history(partition, stored);
                }
                if has_type::<TagHistoryRecord>(&stored.record) {
                    return;
                }
                let places = partitions.entry(stored.record.key.clone()).or_default();
                match decode::<TagRecord>(&stored.record) {
                    Ok(Some(tag)) => {
                        places.insert(partition);
                        let known = homes.get(&tag.name).map_or(0, |(sequence, ..)| *sequence);
                        if tag.home && tag.sequence > known {
                            let source = self.places.source_set(tag.source.as_slice());
                            let images = images_of(&tag.current);
                            let place = (tag.sequence, partition, stored.offset, source, images);
                            homes.insert(tag.name.clone(), place);
                            self.restore_index(&tag);
                            self.cache.put_tag(tag, partition, stored.offset);
                        }
                    }
                    Ok(None) => {
                        places.remove(&partition);
                    }
                    Err(_) => {}
                }
            })?;
        }
        for (name, (_, home, offset, source, images)) in homes {
            let partitions = partitions.remove(&name).unwrap_or_default();
            let away = partitions.into_iter().filter(|partition| *partition != home).collect();
            self.places.put_tag(&name, TagPlace { home, offset, away, source, images: images.into() });
        }
        Ok(())
    }

    /// Takes over a part of a tag's history, or its deletion, which any tombstone of its key is. It counts under its own key
    /// and in its own partition only.
    fn restore_history(&mut self, partition: u16, stored: &Stored) {
        let Some((name, number)) = TagHistoryRecord::parse_key(&stored.record.key) else { return };
        if by_name(name, self.log.partitions()) != partition {
            return;
        }
        match decode::<TagHistoryRecord>(&stored.record) {
            Ok(Some(part)) if (part.name.as_str(), part.number) == (name, number) => {
                self.histories.put(&part, stored.offset, stored.record.bytes());
                self.cache.put_part(stored.record.key.clone(), stored.offset, part.items.into());
            }
            Ok(None) => self.histories.remove(&stored.record.key),
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// Remembers the image index that a tag points at. Its source, which has read all of it, does not report it again.
    fn restore_index(&mut self, tag: &TagRecord) {
        let TagItem { digest, images, .. } = &tag.current;
        if let Some(digest) = digest.filter(|_| tag.complete)
            && images.iter().any(|image| image.digest != digest)
        {
            self.indexes.entry(digest).or_insert_with(|| images.clone());
        }
    }

    fn restore_catalog(&mut self) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        for_each(&*log, TopicPartition { topic: Topic::Catalog, partition: 0 }, |stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            let Some(key) = CatalogKey::parse(&stored.record.key) else { return };
            let Ok(record) = decode::<CatalogRecord>(&stored.record) else { return };
            self.catalog.apply(&key, record);
        })?;
        Ok(())
    }
}

/// The sequence that a record was written with. It stands in the record's ID, which a tombstone has too: a class that
/// is created again must not get the generation of the deleted one.
pub(super) fn sequence_of(stored: &Stored) -> u64 {
    let id = stored.record.headers.iter().find(|(name, _)| name == "ce_id").map(|(_, id)| &**id);
    id.and_then(|id| id.rsplit_once('@')).and_then(|(_, sequence)| sequence.parse().ok()).unwrap_or(0)
}
