//! The generated history on topics: published by clade's own publisher to a log in memory, from where clade's own writer
//! brings it to the broker. Published to the broker directly, every tag that is seen again is read back one at a time,
//! and a history of some hundred thousand images would take hours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clade::declare::Manifest;
use clade::log::kafka::{Config, KafkaLog};
use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Log, ReadLimit, SharedLog, TopicPartition};
use clade::publisher::Publisher;
use clade::record::{Timestamp, Topic};
use clade::source::generated::{History, Shape};
use clade::source::line::Line;

use crate::cluster;
use crate::settings::PARTITIONS;

/// The classes of the demo.
const CLASSES: &str = include_str!("../../src/cli/demo/classes.yaml");
const DAYS: u32 = 365;
/// What happens in so much of the registry's time is published together, as in the demo.
const DAYS_AT_ONCE: i64 = 7;

/// A publisher on the topics of a prefix.
pub(crate) fn publisher(prefix: &str) -> Publisher {
    let log: SharedLog = Arc::new(KafkaLog::open(Config::new(&cluster::bootstrap(), prefix)).unwrap());
    Publisher::restore(log, Timestamp::now).unwrap()
}

/// Publishes a history of so many images, and the demo's classes, under a new prefix.
pub(crate) fn publish(what: &str, images: u64) -> String {
    let prefix = cluster::fresh_prefix(what);
    let begun = Instant::now();
    let memory: SharedLog = Arc::new(MemoryLog::new(PARTITIONS, Faults::none()));
    let mut publisher = Publisher::restore(SharedLog::clone(&memory), Timestamp::now).unwrap();
    for document in serde_saphyr::from_multiple::<serde_json::Value>(CLASSES).unwrap() {
        for manifest in Manifest::read(document).unwrap() {
            match manifest {
                Manifest::Class(class) => publisher.apply_class(&class).unwrap(),
                Manifest::Group(group) => publisher.apply_group(&group).unwrap(),
                Manifest::Policy(policy) => publisher.apply_policy(&policy).unwrap(),
            };
        }
    }
    let mut week = None;
    for line in History::new(Shape { seed: 1, images, days: DAYS }) {
        if let Line::Tag(tag) = &line {
            let now = tag.seen.as_second() / (DAYS_AT_ONCE * 86_400);
            if week.replace(now).is_some_and(|before| before != now) {
                publisher.flush().unwrap();
            }
        }
        publisher.observe(clade::source::observe(line).unwrap()).unwrap();
    }
    publisher.flush().unwrap();
    let published = begun.elapsed();
    for topic in [Topic::Images, Topic::Tags, Topic::Catalog] {
        write(&*memory, &prefix, topic);
    }
    eprintln!(
        "{what}: {images} images published in {:.1} s, written in {:.1} s",
        published.as_secs_f64(),
        (begun.elapsed() - published).as_secs_f64()
    );
    prefix
}

/// Brings what is in memory to the broker: in the batches of the publisher, all partitions in turn, as images of a
/// history come.
fn write(memory: &dyn Log, prefix: &str, topic: Topic) {
    const BATCH_RECORDS: usize = 4_096;
    let log = KafkaLog::open(Config::new(&cluster::bootstrap(), prefix)).unwrap();
    let mut writer = log.writer("publisher").unwrap();
    let partitions = if topic.is_partitioned() { PARTITIONS } else { 1 };
    let limit = ReadLimit { records: BATCH_RECORDS / usize::from(partitions), bytes: 2 << 20 };
    let reader = |partition| (partition, memory.reader(topic, &[(partition, 0)]).unwrap());
    let mut readers: Vec<_> = (0..partitions).map(reader).collect();
    loop {
        let mut batch = Vec::new();
        for (partition, reader) in &mut readers {
            let to = TopicPartition { topic, partition: *partition };
            let read = reader.read(limit, Duration::ZERO).unwrap();
            batch.extend(read.records.into_iter().map(|stored| (to, stored.record)));
        }
        if batch.is_empty() {
            return;
        }
        writer.append(batch).unwrap();
    }
}
