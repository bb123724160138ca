//! Copying everything into other topics: what is interrupted is worked on by nobody, and what is written meanwhile is not
//! lost without a word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{
    AppendError, Batch, Log, LogError, Offset, Reader, SharedLog, Stored, TopicPartition, Writer,
};
use clade::observe::Observation;
use clade::oci::Digest;
use clade::processor::{Options, Processor, ProcessorError};
use clade::publisher::{Migrated, PublishError, Publisher};
use clade::record::{
    CatalogRecord, ClassificationRecord, ImageRecord, RebuildsRecord, TagHistoryRecord, TagRecord, Timestamp,
    Topic, decode, encode,
};

use crate::support::{World, digest, fold, image, image_gone, transitions};

const NEW_PARTITIONS: u16 = 5;
const REBUILDS: TopicPartition = TopicPartition { topic: Topic::Rebuilds, partition: 0 };

/// Called with the topic that is about to be read or written.
type Hook = Box<dyn Fn(Topic) + Send + Sync>;

/// A log whose user is killed after so many appends.
struct Watched {
    log: SharedLog,
    left: Arc<AtomicI64>,
    reads: Hook,
}

struct Killed(Box<dyn Writer>, Arc<AtomicI64>);

impl Log for Watched {
    fn partitions(&self) -> u16 {
        self.log.partitions()
    }
    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(Killed(self.log.writer(name)?, Arc::clone(&self.left))))
    }
    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        (self.reads)(topic);
        self.log.reader(topic, from)
    }
    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        self.log.get(from, offset)
    }
    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        self.log.end(of)
    }

    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        self.log.offset_at(of, timestamp)
    }

    fn complete_since(&self) -> Result<i64, LogError> {
        self.log.complete_since()
    }
}

impl Writer for Killed {
    fn begin(&mut self, batch: Batch) -> Result<(), AppendError> {
        match self.1.fetch_sub(1, Ordering::Relaxed) {
            left if left > 0 => self.0.begin(batch),
            _ => Err(AppendError::Unknown("killed".to_owned())),
        }
    }
    fn finish(&mut self) -> Result<Vec<Offset>, AppendError> {
        self.0.finish()
    }
}

fn empty() -> SharedLog {
    Arc::new(MemoryLog::new(NEW_PARTITIONS, Faults::none()))
}

fn clock() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// Two bases, and images on them.
fn world() -> World {
    let mut world = World::new();
    world.class("os", "base/os:latest").class("php", "base/php:latest");
    for number in 0..12 {
        let base = if number % 2 == 0 { "os" } else { "php" };
        let (version, app) = (format!("{base} {}", number / 6), format!("app {number}"));
        world.images(&[(&version, &[&version]), (&app, &[&version, &app])]);
        world.tag(&format!("base/{base}:latest"), &[&version]);
        world.tag(&format!("app:{number}"), &[&app]);
    }
    for number in 0..20 {
        world.tag("app:moving", &[&format!("app {}", number % 3)]);
    }
    world.process();
    let rebuild = serde_json::json!({
        "kind": "RebuildTarget", "rebuild": "os-1", "target": {"tag": "app:1"}, "sequence": 1, "wave": 1, "action": "Notify",
        "reason": {"input": "app:1", "message": "outdated"}, "state": "Waiting",
    });
    let record: RebuildsRecord = serde_json::from_value(rebuild).unwrap();
    let record = encode(record.key().to_string(), &record).unwrap();
    world.log.writer("rebuilder").unwrap().append(vec![(REBUILDS, record)]).unwrap();
    world
}

/// The processors of every partition, brought to the end.
fn process(log: &SharedLog) -> Result<(), ProcessorError> {
    for partition in 0..log.partitions() {
        let mut processor = Processor::restore(SharedLog::clone(log), None, partition, Options::default())?;
        while processor.step(Duration::ZERO)?.records > 0 {}
    }
    Ok(())
}

/// Everything on a log that a reader can depend on, but for the numbers that count what was published.
fn content(log: &SharedLog) -> Vec<String> {
    let catalog = |record: &CatalogRecord| match record.clone() {
        CatalogRecord::ImageClass(mut class) => {
            class.sequence = 0;
            format!("{class:?}")
        }
        record => format!("{record:?}"),
    };
    let mut images: BTreeMap<String, ImageRecord> = fold(&**log);
    images.values_mut().for_each(|image| image.sequence = 0);
    let mut tags: BTreeMap<String, TagRecord> = fold(&**log);
    tags.values_mut().for_each(|tag| tag.sequence = 0);
    let mut parts: BTreeMap<String, TagHistoryRecord> = fold(&**log);
    parts.values_mut().for_each(|part| part.sequence = 0);
    assert_eq!(parts.len(), 2, "the tag that moves has a history of two parts");
    let classifications: BTreeMap<String, ClassificationRecord> = fold(&**log);
    let mut all: Vec<String> = images.values().map(|image| format!("{image:?}")).collect();
    all.extend(tags.values().map(|tag| format!("{tag:?}")));
    all.extend(parts.values().map(|part| format!("{part:?}")));
    all.extend(classifications.values().map(|record| format!("{record:?}")));
    let mut last = BTreeMap::new();
    clade::log::for_each(&**log, TopicPartition { topic: Topic::Catalog, partition: 0 }, |stored| {
        last.insert(stored.record.key.clone(), decode::<CatalogRecord>(&stored.record).unwrap());
    })
    .unwrap();
    all.extend(last.values().flatten().map(catalog));
    let mut rebuilds = BTreeMap::new();
    clade::log::for_each(&**log, REBUILDS, |stored| {
        rebuilds.insert(stored.record.key.clone(), decode::<RebuildsRecord>(&stored.record).unwrap());
    })
    .unwrap();
    all.extend(rebuilds.values().flatten().map(|record| format!("{record:?}")));
    all
}

fn has_anything(log: &SharedLog) -> bool {
    let topics = [Topic::Images, Topic::Tags, Topic::Classifications];
    (0..log.partitions()).any(|partition| {
        topics.iter().any(|topic| log.end(TopicPartition { topic: *topic, partition }).unwrap() > 0)
    })
}

fn migrate(old: &SharedLog, new: &SharedLog) -> Result<Migrated, PublishError> {
    Publisher::migrate(&**old, new, clock)
}

#[test]
fn a_migration_that_is_interrupted_anywhere_is_worked_on_by_nobody_and_finished_by_the_next() {
    let mut interrupted = 0;
    loop {
        let old = world().log;
        let new = empty();
        let left = Arc::new(AtomicI64::new(interrupted));
        let log: SharedLog = Arc::new(Watched { log: SharedLog::clone(&new), left, reads: Box::new(|_| {}) });
        if migrate(&old, &log).is_ok() {
            break;
        }
        interrupted += 1;
        if has_anything(&new) {
            let error = Publisher::restore(SharedLog::clone(&new), clock).err().unwrap().to_string();
            assert!(error.contains("run `clade topics migrate` again"), "{error}");
            for partition in 0..NEW_PARTITIONS {
                let options = Options::default();
                let refused = Processor::restore(SharedLog::clone(&new), None, partition, options).err();
                let error = refused.unwrap().to_string();
                assert!(error.contains("has not finished") && error.contains("topics migrate"), "{error}");
            }
            assert!(migrate(&new, &empty()).is_err(), "nor is it copied on from");
        }
        // The old topics are worked on again, and what was copied is not all true any more.
        let mut publisher = Publisher::restore(SharedLog::clone(&old), clock).unwrap();
        publisher.observe(image_gone("app 3")).unwrap();
        publisher.observe(Observation::Image(Box::new(image("late", &["os 1", "late"])))).unwrap();
        publisher.observe(Observation::Image(Box::new(image("app 4", &["php 0", "else"])))).unwrap();
        publisher.delete_class("php").unwrap();
        publisher.flush().unwrap();
        process(&old).unwrap();

        migrate(&old, &new).unwrap();
        let at_once = empty();
        migrate(&old, &at_once).unwrap();
        assert_eq!(content(&new), content(&at_once), "interrupted before append {interrupted}");
        let classifications: BTreeMap<String, ClassificationRecord> = fold(&*new);
        process(&new).unwrap();
        assert_eq!(transitions(&*new), [], "nothing is announced again");
        assert_eq!(fold::<ClassificationRecord>(&*new).len(), classifications.len());
        assert!(migrate(&old, &new).unwrap_err().to_string().contains("not empty"));
    }
    assert!(interrupted > 10, "there is much to be interrupted: {interrupted}");
}

#[test]
fn whoever_still_writes_to_the_old_topics_is_fenced_and_what_is_written_all_the_same_is_told() {
    let mut world = world();
    let (old, new) = (SharedLog::clone(&world.log), empty());
    // A `clade watch` that was not stopped: it is fenced, and begins again.
    let watch = {
        let old = SharedLog::clone(&old);
        move |topic| {
            let written = fold::<ImageRecord>(&*old).contains_key(&digest("behind").to_string());
            if topic == Topic::Classifications && !written {
                let mut publisher = Publisher::restore(SharedLog::clone(&old), clock).unwrap();
                publisher
                    .observe(Observation::Image(Box::new(image("behind", &["os 1", "behind"]))))
                    .unwrap();
                publisher.flush().unwrap();
            }
        }
    };
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let busy: SharedLog = Arc::new(Watched { log: SharedLog::clone(&old), left, reads: Box::new(watch) });
    let error = migrate(&busy, &new).unwrap_err().to_string();
    assert!(error.contains("stop `clade watch`") && error.contains("images["), "{error}");
    world.publisher.observe(Observation::Image(Box::new(image("lost", &["lost"])))).unwrap();
    assert!(matches!(world.publisher.flush(), Err(PublishError::Append(AppendError::Fenced))));
    assert!(process(&new).is_err(), "the copy lacks what was written");
    assert_eq!(migrate(&busy, &new).unwrap().images, 17);
    let images: BTreeMap<String, ImageRecord> = fold(&*new);
    let names = |name: &str| images.contains_key(&Digest::of(name.as_bytes()).to_string());
    assert!(names("behind") && !names("lost"));
    process(&new).unwrap();
}

#[test]
fn a_processor_that_is_at_work_on_the_new_topics_already_stops() {
    let (old, new) = (world().log, empty());
    let mut early = Processor::restore(SharedLog::clone(&new), None, 0, Options::default()).unwrap();
    migrate(&old, &new).unwrap();
    let stopped = (0..3).find_map(|_| early.step(Duration::ZERO).err());
    // Partition 0 may have got nothing; then there was nothing to stop it from.
    let has_images = new.end(TopicPartition { topic: Topic::Images, partition: 0 }).unwrap() > 0;
    assert!(matches!(stopped, Some(ProcessorError::Append(AppendError::Fenced))) || !has_images);
    process(&new).unwrap();
    assert_eq!(transitions(&*new), []);
}
