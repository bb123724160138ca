//! Snapshots: a restart with one is a restart without, only faster; one that cannot be trusted is told and left.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Log, LogError, Offset, Reader, SharedLog, Stored, TopicPartition, Writer, for_each};
use clade::oci::Digest;
use clade::processor::{Follower, Options, Processor};
use clade::publisher::Publisher;
use clade::record::{
    Cleanup, Life, ProgressRecord, TagHistoryRecord, TagRecord, Timestamp, Topic, decode, encode,
};
use clade::shard::{Change, Shard};
use clade::snapshot::{Position, Snapshots};
use clade::view::View;

use crate::history::{publish, random_fact};
use crate::oracle::Oracle;
use crate::support::{World, digest, image, transitions};

/// Everything that a shard answers, in an order of its own; also on these digests.
fn answers(shard: &Shard, digests: &[Digest]) -> Vec<String> {
    let image = |of: clade::shard::ImageView<'_>| {
        let layers = of.node.map(|node| (shard.index().identity(node), shard.index().layers(node)));
        format!(
            "{} {:?} {:?} {layers:?} {:?} {:?}",
            of.digest, of.platform, of.repositories, of.classification, of.claims
        )
    };
    let mut all: Vec<String> = shard.images().map(image).collect();
    all.extend(shard.tags().map(|tag| format!("{tag:?}")));
    all.extend(shard.catalog().records().map(|record| format!("{record:?}")));
    all.extend(digests.iter().map(|index| format!("{index} {:?}", shard.images_of_left_index(index))));
    all.sort_unstable();
    all
}

fn through_a_file(shard: &Shard) -> Shard {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path(), Duration::ZERO);
    let mut progress = ProgressRecord::beginning(0, shard.partitions());
    progress.lives.push(Life { id: 1, from: 1 });
    snapshots.put(0, Position { progress, output: None }, shard).unwrap();
    snapshots.find(0).unwrap().unwrap().shard(&progress).unwrap()
}

#[test]
fn a_shard_from_its_snapshot_answers_and_goes_on_as_the_shard_itself() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut world, mut second) = (World::new(), 0);
        for _ in 0..60 {
            publish(&mut world.publisher, &random_fact(&mut random, &mut second)).unwrap();
        }
        world.images(&[("no layers", &[])]).process();
        let mut targets: Vec<Digest> = Vec::new();
        for partition in 0..world.log.partitions() {
            for_each(&*world.log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
                let tag = decode::<TagRecord>(&stored.record).ok().flatten();
                let part = decode::<TagHistoryRecord>(&stored.record).ok().flatten();
                let of_tag = tag.into_iter().flat_map(|tag| tag.history);
                let items = of_tag.chain(part.into_iter().flat_map(|part| part.items));
                targets.extend(items.filter_map(|item| item.digest));
            })
            .unwrap();
        }
        for committed in world.view.snapshot().one_by_one() {
            let mut shard = committed.shard.clone();
            let mut again = through_a_file(&shard);
            assert_eq!(answers(&again, &targets), answers(&shard, &targets), "seed {seed}");
            assert_eq!(again.drain(), [], "nothing follows that did not before, seed {seed}");
            // Goes on: images come, change and go, and classes are deleted.
            let mut changes: Vec<Change> = (0..14)
                .map(|number| {
                    let layers =
                        [random.choice(["0", "1", "2"]).unwrap(), random.choice(["0", "1"]).unwrap()];
                    match random.bool() {
                        true => Change::Image(Arc::new(image(&format!("image {number}"), &layers))),
                        false => Change::ImageGone(digest(&format!("image {number}"))),
                    }
                })
                .collect();
            changes.extend(shard.catalog().records().map(|record| Change::Catalog(record.key(), None)));
            random.shuffle(&mut changes);
            for change in &changes {
                shard.apply(change).unwrap();
                again.apply(change).unwrap();
                let by_digest = |mut effects: Vec<clade::shard::Effect>| {
                    effects.sort_by_key(|effect| effect.digest);
                    effects
                };
                assert_eq!(by_digest(again.drain()), by_digest(shard.drain()), "seed {seed}: {change:?}");
            }
            assert_eq!(answers(&again, &targets), answers(&shard, &targets), "seed {seed}");
        }
    }
}

/// A log that notes from where on it is read.
struct Watched {
    log: SharedLog,
    begun: Mutex<Vec<(Topic, Offset)>>,
}

impl Log for Watched {
    fn partitions(&self) -> u16 {
        self.log.partitions()
    }
    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        self.log.writer(name)
    }
    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        self.begun.lock().unwrap().extend(from.iter().map(|(_, offset)| (topic, *offset)));
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

/// A log on which something has happened, and a directory for snapshots.
struct Scene {
    log: SharedLog,
    dir: tempfile::TempDir,
    publisher: Publisher,
    random: fastrand::Rng,
    second: i64,
}

impl Scene {
    fn new() -> Self {
        let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::none()));
        let publisher = Publisher::restore(SharedLog::clone(&log), || Timestamp::UNIX_EPOCH).unwrap();
        let random = fastrand::Rng::with_seed(5);
        let mut scene = Self { log, dir: tempfile::tempdir().unwrap(), publisher, random, second: 0 };
        scene.publish(300);
        scene
    }

    fn publish(&mut self, facts: usize) {
        for _ in 0..facts {
            publish(&mut self.publisher, &random_fact(&mut self.random, &mut self.second)).unwrap();
        }
        self.publisher.flush().unwrap();
    }

    fn options(&self) -> Options {
        options(Snapshots::new(self.dir.path(), Duration::MAX))
    }

    /// A processor takes the partition over, works, and ends with a snapshot.
    fn process(&self, options: &Options) {
        let mut processor =
            Processor::restore(SharedLog::clone(&self.log), None, 0, options.clone()).unwrap();
        while processor.step(Duration::ZERO).unwrap().records > 0 {}
        processor.close().unwrap();
        Oracle::of(&*self.log).check_outputs(&*self.log);
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("partition-0.snapshot")
    }

    /// What became of the snapshot that is there now: how many were used, and how many discarded.
    fn outcome(&self, options: Options) -> (u64, u64) {
        let restored = Processor::restore(SharedLog::clone(&self.log), None, 0, options.clone());
        restored.unwrap();
        (options.metrics.used_snapshots.get(), options.metrics.discarded_snapshots.get())
    }
}

fn options(snapshots: Snapshots) -> Options {
    Options { snapshots: Some(snapshots), ..Options::default() }
}

const USED: (u64, u64) = (1, 0);
const DISCARDED: (u64, u64) = (0, 1);

#[test]
fn a_restart_with_a_snapshot_reads_only_what_came_after_it() {
    let mut scene = Scene::new();
    scene.process(&scene.options());
    let ends = |scene: &Scene| {
        [Topic::Images, Topic::Tags, Topic::Catalog, Topic::Classifications]
            .map(|topic| (topic, scene.log.end(TopicPartition { topic, partition: 0 }).unwrap()))
    };
    let before = ends(&scene);
    scene.publish(50);
    let watched = Arc::new(Watched { log: SharedLog::clone(&scene.log), begun: Mutex::default() });
    let mut processor = Processor::restore(watched.clone(), None, 0, scene.options()).unwrap();
    while processor.step(Duration::ZERO).unwrap().records > 0 {}
    for begun in before {
        assert!(begun.1 > 0 && watched.begun.lock().unwrap().contains(&begun), "{begun:?}");
    }
    Oracle::of(&*scene.log).check_outputs(&*scene.log);
}

#[test]
fn a_snapshot_is_taken_at_the_end_only_of_what_is_worth_it() {
    let mut scene = Scene::new();
    let options = scene.options();
    scene.process(&options);
    assert_eq!(options.metrics.snapshots.get(), 1);
    scene.process(&options);
    assert_eq!(options.metrics.snapshots.get(), 1, "nothing has come since");
    scene.publish(20);
    scene.process(&options);
    assert_eq!(options.metrics.snapshots.get(), 2);
}

#[test]
fn a_snapshot_that_is_cut_off_or_changed_anywhere_is_discarded() {
    let scene = Scene::new();
    scene.process(&scene.options());
    let whole = std::fs::read(scene.file()).unwrap();
    assert_eq!(scene.outcome(scene.options()), USED);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let at = random.usize(0..whole.len());
        std::fs::write(scene.file(), &whole[..at]).unwrap();
        assert_eq!(scene.outcome(scene.options()), DISCARDED, "cut off at {at}");
        let mut changed = whole.clone();
        changed[at] ^= 1 << random.u8(0..8);
        std::fs::write(scene.file(), changed).unwrap();
        assert_eq!(scene.outcome(scene.options()), DISCARDED, "changed at {at}");
    }
    scene.process(&scene.options());
}

#[test]
fn a_snapshot_that_is_older_than_the_log_remembers_deletions_is_discarded() {
    let scene = Scene::new();
    scene.process(&scene.options());
    let strict =
        Snapshots::new(scene.dir.path(), Duration::MAX).on_topics_that_keep_deletions_for(Duration::ZERO);
    assert_eq!(scene.outcome(options(strict)), DISCARDED);
    assert_eq!(scene.outcome(scene.options()), USED);
}

#[test]
fn a_snapshot_of_topics_that_were_made_anew_is_discarded() {
    let old = Scene::new();
    old.process(&old.options());
    let mut new = Scene::new();
    new.publish(300);
    new.process(&Options::default());
    std::fs::copy(old.file(), new.file()).unwrap();
    assert_eq!(new.outcome(new.options()), DISCARDED);
    // And of topics in which nothing was processed yet.
    let fresh = Scene::new();
    std::fs::copy(old.file(), fresh.file()).unwrap();
    assert_eq!(fresh.outcome(fresh.options()), DISCARDED);
}

#[test]
fn a_snapshot_of_another_partition_is_discarded() {
    let log: SharedLog = Arc::new(MemoryLog::new(2, Faults::none()));
    let dir = tempfile::tempdir().unwrap();
    let snapshots = || options(Snapshots::new(dir.path(), Duration::MAX));
    for partition in 0..2 {
        let of = TopicPartition { topic: Topic::Images, partition };
        let record = encode(digest("one").to_string(), &image("one", &["A"])).unwrap();
        log.writer("test").unwrap().append(vec![(of, record)]).unwrap();
        Processor::restore(SharedLog::clone(&log), None, partition, snapshots()).unwrap().close().unwrap();
    }
    let file = |partition| dir.path().join(format!("partition-{partition}.snapshot"));
    std::fs::copy(file(0), file(1)).unwrap();
    let options = snapshots();
    drop(Processor::restore(log, None, 1, options.clone()).unwrap());
    assert_eq!(options.metrics.discarded_snapshots.get(), 1);
}

#[test]
fn a_read_replica_uses_snapshots_of_its_own_and_a_processor_does_not_trust_them() {
    let mut scene = Scene::new();
    let follow = |scene: &Scene, options: &Options| {
        let view = Arc::new(View::new(1));
        Follower::restore(&scene.log, &view, 0, options).unwrap().close();
        view
    };
    // A replica has concluded what nobody has committed: a log that is restored from a backup may go on otherwise.
    let replica = scene.options();
    follow(&scene, &replica);
    assert_eq!(replica.metrics.snapshots.get(), 0);

    scene.process(&Options::default());
    follow(&scene, &replica);
    assert_eq!(replica.metrics.snapshots.get(), 1);
    assert_eq!(scene.outcome(scene.options()), DISCARDED);

    // With the topics' identity known, it takes one that it can use.
    let dir = tempfile::tempdir().unwrap();
    let own = || options(Snapshots::new(dir.path(), Duration::MAX));
    follow(&scene, &own());
    scene.publish(20);
    let again = own();
    let view = follow(&scene, &again);
    assert_eq!(again.metrics.used_snapshots.get(), 1);
    let without = follow(&scene, &Options::default());
    let shard = |view: &Arc<View>| answers(&view.snapshot().partition(0).unwrap().shard, &[]);
    assert_eq!(shard(&view), shard(&without));
}

#[test]
fn a_snapshot_that_cannot_be_written_is_told_and_harms_nobody() {
    let scene = Scene::new();
    let nowhere = options(Snapshots::new(Path::new("/dev/null/snapshots"), Duration::ZERO));
    scene.process(&nowhere);
    assert_eq!(nowhere.metrics.snapshots.get(), 0);
}

/// A log that a mirror has made of another: of compacted topics the last record of each key, and so other offsets.
fn mirrored(log: &SharedLog) -> SharedLog {
    let mirror: SharedLog = Arc::new(MemoryLog::new(log.partitions(), Faults::none()));
    let mut writer = mirror.writer("mirror").unwrap();
    for topic in Topic::ALL {
        for partition in clade::log::follow::partitions(&**log, topic) {
            let of = TopicPartition { topic, partition };
            let mut last = BTreeMap::new();
            for_each(&**log, of, |stored| {
                // Of the other topics, a mirror has each record.
                let kept = (topic.cleanup() != Cleanup::Compact).then_some(stored.offset);
                last.insert((stored.record.key.clone(), kept), (stored.offset, stored.record.clone()));
            })
            .unwrap();
            let mut kept: Vec<_> = last.into_values().collect();
            kept.sort_unstable_by_key(|(offset, _)| *offset);
            writer.append(kept.into_iter().map(|(_, record)| (of, record)).collect()).unwrap();
        }
    }
    mirror
}

#[test]
fn a_snapshot_of_topics_that_a_mirror_has_made_anew_is_discarded_for_ever() {
    let mut scene = Scene::new();
    scene.process(&scene.options());
    let before = transitions(&*scene.log).len();
    let ends = |log: &SharedLog| {
        [Topic::Images, Topic::Tags, Topic::Catalog, Topic::Classifications]
            .map(|topic| log.end(TopicPartition { topic, partition: 0 }).unwrap())
    };
    let (log, before_it) = (mirrored(&scene.log), ends(&scene.log));
    assert!(ends(&log) != before_it, "the offsets are others");
    let publisher = Publisher::restore(SharedLog::clone(&log), || Timestamp::UNIX_EPOCH).unwrap();
    (scene.log, scene.publisher) = (log, publisher);
    let kept = transitions(&*scene.log).len();
    assert_eq!(scene.outcome(scene.options()), DISCARDED);
    // Without it, everything is read, and nothing is announced again.
    scene.process(&Options::default());
    assert_eq!((transitions(&*scene.log).len(), kept > 0), (kept, before > 0));
    // Also once the mirror has grown beyond the offsets of the snapshot, at which other records stand now.
    while ends(&scene.log).iter().zip(before_it).any(|(now, before)| *now <= before) {
        scene.publish(50);
        scene.process(&Options::default());
    }
    assert_eq!(scene.outcome(scene.options()), DISCARDED);
    scene.process(&scene.options());
}
