//! Copies all records from another log, which is the way to another number of partitions.
//!
//! The facts about an image do not depend on its partition, so the records are copied as they are and only placed
//! elsewhere. Classifications are copied too: the new processors compare with them, so that no transition is announced
//! again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::handover::{self, Old};
use super::history::by_name;
use super::restore::sequence_of;
use super::{PublishError, Publisher};
use crate::log::{Batch, Log, SharedLog, Stored, TopicPartition, for_each};
use crate::oci::Digest;
use crate::record::{
    BuildConfigRecord, CatalogKey, CatalogRecord, ClassificationRecord, DecisionRecord, ImageRecord, Parts,
    RebuildsRecord, Record, TagHistoryRecord, TagItem, TagRecord, Timestamp, Topic, Value, WorkloadRecord,
    decode, tombstone,
};

/// Records of one append, at most.
const BATCH: usize = 4_096;

/// The numbers of copied records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Images.
    pub images: usize,
    /// Tags.
    pub tags: usize,
    /// Classes, their versions, and groups.
    pub catalog: usize,
    /// Classifications.
    pub classifications: usize,
}

impl Publisher {
    /// Copies all records from `old`, whose publisher and processors must rest meanwhile, into `new`. `new` must be
    /// empty, apart from the records of an earlier call that did not finish. Until this call has finished, no service
    /// works on `new`.
    pub fn migrate(
        old: &dyn Log,
        new: &SharedLog,
        clock: fn() -> Timestamp,
    ) -> Result<Migrated, PublishError> {
        handover::refuse_unfinished(old)?;
        let is_unfinished = handover::is_unfinished(&**new)?;
        let mut publisher = Self::open(SharedLog::clone(new), clock)?;
        let is_empty = publisher.places.is_empty() && publisher.catalog.records().next().is_none();
        if !is_empty && !is_unfinished {
            return Err(PublishError::Refused(
                "the new topics are not empty: migrate into topics that were just created (clade topics apply)"
                    .to_owned(),
            ));
        }
        let old = Old::fence(old)?;
        handover::begin(&**new)?;
        if is_unfinished {
            // Copied records may be gone from the old topics by now.
            publisher.clear()?;
            publisher = Self::open(SharedLog::clone(new), clock)?;
        }
        let migrated = publisher.take_over(old.log())?;
        old.check_rests()?;
        handover::finish(&**new, &mut *publisher.writer)?;
        Ok(migrated)
    }

    /// Deletes every key.
    fn clear(&mut self) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        for of in handover::copied(&*log) {
            let mut keys = BTreeSet::new();
            for_each(&*log, of, |stored| {
                self.sequence = self.sequence.max(sequence_of(stored));
                match stored.record.value {
                    Some(_) => keys.insert(stored.record.key.clone()),
                    None => keys.remove(&stored.record.key),
                };
            })?;
            let mut keys = keys.into_iter().peekable();
            while keys.peek().is_some() {
                let mut gone = |key: String| {
                    self.sequence += 1;
                    let id = format!("{key}@{}", self.sequence);
                    let record = match of.topic {
                        Topic::Images => tombstone::<ImageRecord>(key, id),
                        Topic::Tags => tombstone::<TagRecord>(key, id),
                        Topic::Catalog => tombstone::<CatalogRecord>(key, id),
                        Topic::Buildconfigs => tombstone::<BuildConfigRecord>(key, id),
                        Topic::Workloads => tombstone::<WorkloadRecord>(key, id),
                        Topic::Decisions => tombstone::<DecisionRecord>(key, id),
                        Topic::Rebuilds => tombstone::<RebuildsRecord>(key, id),
                        _ => tombstone::<ClassificationRecord>(key, id),
                    };
                    (of, record)
                };
                let batch: Batch = keys.by_ref().take(BATCH).map(&mut gone).collect();
                self.writer.append(batch)?;
            }
        }
        Ok(())
    }

    fn take_over(&mut self, old: &dyn Log) -> Result<Migrated, PublishError> {
        let mut migrated = Migrated::default();
        let mut catalog: Vec<(CatalogKey, CatalogRecord)> = Vec::new();
        for_each(old, TopicPartition { topic: Topic::Catalog, partition: 0 }, |stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            if let Some(key) = CatalogKey::parse(&stored.record.key) {
                catalog.retain(|(known, _)| *known != key);
                catalog.extend(
                    decode::<CatalogRecord>(&stored.record).ok().flatten().map(|record| (key, record)),
                );
            }
        })?;
        for partition in 0..old.partitions() {
            migrated.images += self.take_images(old, partition)?;
        }
        migrated.tags = self.take_tags(old)?;
        for (key, config) in self.last::<BuildConfigRecord>(old, 0)? {
            self.pending.build_configs.insert(key, Some(config));
        }
        for (key, workload) in self.last::<WorkloadRecord>(old, 0)? {
            self.pending.workloads.insert(key, Some(workload));
        }
        self.flush()?;
        for topic in [Topic::Decisions, Topic::Rebuilds] {
            let whole = TopicPartition { topic, partition: 0 };
            self.copy(old, whole, |_, _| Some(whole))?;
        }
        for partition in 0..old.partitions() {
            migrated.classifications += self.copy_classifications(old, partition)?;
        }
        migrated.catalog = catalog.len();
        for (key, record) in catalog {
            self.catalog.apply(&key, Some(record.clone()));
            self.pending.catalog.push((key, Some(record)));
        }
        self.pending.classes = self.catalog.classes().map(|class| class.record.name.clone()).collect();
        self.flush()?;
        Ok(migrated)
    }

    /// The last value of each key in a partition.
    fn last<V: Value>(&mut self, old: &dyn Log, partition: u16) -> Result<BTreeMap<String, V>, PublishError> {
        let mut last = BTreeMap::new();
        for_each(old, TopicPartition { topic: V::TOPIC, partition }, |stored: &Stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            match decode::<V>(&stored.record) {
                Ok(Some(value)) => {
                    last.insert(stored.record.key.clone(), value);
                }
                // The record was a dead letter in the old topics already.
                Ok(None) | Err(_) => {
                    last.remove(&stored.record.key);
                }
            }
        })?;
        Ok(last)
    }

    fn take_images(&mut self, old: &dyn Log, partition: u16) -> Result<usize, PublishError> {
        let images = self.last::<ImageRecord>(old, partition)?;
        let count = images.len();
        for image in images.into_values() {
            self.pending.images.insert(image.digest, Some(image));
        }
        self.flush()?;
        Ok(count)
    }

    fn take_tags(&mut self, old: &dyn Log) -> Result<usize, PublishError> {
        let mut parts = BTreeMap::new();
        for partition in 0..old.partitions() {
            let here = self.last::<TagHistoryRecord>(old, partition)?;
            let counts = |(key, part): &(String, TagHistoryRecord)| {
                TagHistoryRecord::key(&part.name, part.number) == *key
                    && by_name(&part.name, old.partitions()) == partition
            };
            parts.extend(here.into_iter().filter(counts));
            for (name, tag) in self.last::<TagRecord>(old, partition)? {
                // The record with the history, and of two such the later.
                let is_newer = self.pending.tags.get(&name).is_none_or(|known| known.sequence < tag.sequence);
                if tag.home && is_newer {
                    self.pending.tags.insert(name, Box::new(tag));
                }
            }
        }
        for tag in self.pending.tags.values_mut() {
            let Parts { first, end } = std::mem::take(&mut tag.parts);
            // A stranger may have written any range: only parts that exist are looked at.
            let [first, end] = [first, end.max(first)].map(|number| TagHistoryRecord::key(&tag.name, number));
            let keys: Vec<String> = parts.range(first..end).map(|(key, _)| key.clone()).collect();
            let items: Vec<TagItem> =
                keys.iter().filter_map(|key| parts.remove(key)).flat_map(|part| part.items).collect();
            tag.history.splice(0..0, items);
        }
        Ok(self.pending.tags.len())
    }

    /// Copies records as they are, the last of each key, to the partition that `place` returns.
    fn copy(
        &mut self,
        old: &dyn Log,
        of: TopicPartition,
        place: impl Fn(&Self, &Record) -> Option<TopicPartition>,
    ) -> Result<usize, PublishError> {
        let mut last: HashMap<String, Record> = HashMap::new();
        for_each(old, of, |stored| {
            last.insert(stored.record.key.clone(), stored.record.clone());
        })?;
        let there = last.into_values().filter(|record| record.value.is_some());
        let records: Batch = there.filter_map(|record| Some((place(self, &record)?, record))).collect();
        let count = records.len();
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let batch: Batch = records.by_ref().take(BATCH).collect();
            self.writer.append(batch)?;
        }
        Ok(count)
    }

    fn copy_classifications(&mut self, old: &dyn Log, partition: u16) -> Result<usize, PublishError> {
        let topic = Topic::Classifications;
        self.copy(old, TopicPartition { topic, partition }, |publisher, record| {
            let image: Digest = record.key.parse().ok()?;
            Some(TopicPartition { topic, partition: publisher.places.image(&image)?.partition })
        })
    }
}
