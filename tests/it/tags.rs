//! Long histories of tags: a move writes little, and nothing of a history is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Log, SharedLog, TopicPartition, for_each};
use clade::observe::{Observation, ObservedTag};
use clade::publisher::Publisher;
use clade::record::{
    DeadLetterRecord, Parts, Record, TagHistoryRecord, TagImage, TagItem, TagRecord, Timestamp, Topic,
    encode, tombstone,
};

use crate::support::{World, class, digest, fold, image, tag};

const TAG: &str = "team/base:latest";

fn clock() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn new_log() -> SharedLog {
    Arc::new(MemoryLog::new(3, Faults::none()))
}

fn restored(log: &SharedLog) -> Publisher {
    Publisher::restore(SharedLog::clone(log), clock).unwrap()
}

/// The whole history of the tag as the log has it, its present target last; nothing else is there.
fn history(log: &dyn Log) -> Vec<TagItem> {
    let (tag, parts) = (fold::<TagRecord>(log).remove(TAG).unwrap(), fold::<TagHistoryRecord>(log));
    assert_eq!(parts.len(), (tag.parts.end - tag.parts.first) as usize, "no part is left over");
    history_of_tag(log)
}

/// The same where strangers have written records as well.
fn history_of_tag(log: &dyn Log) -> Vec<TagItem> {
    let (tag, parts) = (fold::<TagRecord>(log).remove(TAG).unwrap(), fold::<TagHistoryRecord>(log));
    let numbers = tag.parts.first..tag.parts.end;
    let parts = numbers.flat_map(|number| parts[&TagHistoryRecord::key(TAG, number)].items.clone());
    parts.chain(tag.history).chain([tag.current]).collect()
}

/// The bytes of all records of tags that were ever written.
fn bytes(log: &dyn Log) -> usize {
    let mut bytes = 0;
    for partition in 0..log.partitions() {
        for_each(log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
            bytes += stored.record.bytes();
        })
        .unwrap();
    }
    bytes
}

fn moved(second: i64) -> Observation {
    tag(TAG, second, &[&format!("target {second}")])
}

#[test]
fn a_move_of_a_tag_writes_the_same_whatever_the_tag_has_been_through() {
    let log = new_log();
    let mut publisher = restored(&log);
    let mut written = Vec::new();
    for second in 0..2_000 {
        publisher.observe(moved(second)).unwrap();
        publisher.flush().unwrap();
        written.push(bytes(&*log));
    }
    let (early, late) = (written[500] - written[100], written[1_900] - written[1_500]);
    assert!(late < early + early / 20, "400 moves wrote {early} bytes, and later {late}");
    assert_eq!(history(&*log).len(), 2_000);
}

#[test]
fn a_class_that_is_declared_later_takes_over_a_long_history() {
    let mut world = World::new();
    for version in 0..300 {
        let name = format!("version {version}");
        world.images(&[(&name, &[&name]), (&format!("app {version}"), &[&name, "app"])]).tag(TAG, &[&name]);
        if version % 7 == 0 {
            world.process();
        }
    }
    world.process();
    // Nothing is in memory any more.
    world.publisher = restored(&world.log);
    world.class("base", TAG);
    assert_eq!(world.publisher.catalog().class("base").unwrap().versions().count(), 300);
    assert!(world.standing("app 0", "base").is_some() && world.standing("app 157", "base").is_some());
}

#[test]
fn a_history_that_comes_in_any_order_and_in_many_writes_is_the_history() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut seconds: Vec<i64> = (0..random.i64(1..120)).collect();
        let sorted = seconds.clone();
        match seed % 3 {
            0 => seconds.reverse(),
            1 => random.shuffle(&mut seconds),
            _ => {}
        }
        let (log, whole) = (new_log(), new_log());
        let mut publisher = restored(&log);
        for second in &seconds {
            // Some are read twice.
            for _ in 0..=usize::from(random.u8(0..5) == 0) {
                publisher.observe(moved(*second)).unwrap();
            }
            if random.u8(0..3) == 0 {
                publisher.flush().unwrap();
            }
            if random.u8(0..20) == 0 {
                publisher.flush().unwrap();
                publisher = restored(&log);
            }
        }
        publisher.flush().unwrap();
        let mut at_once = restored(&whole);
        sorted.iter().for_each(|second| at_once.observe(moved(*second)).unwrap());
        at_once.flush().unwrap();
        assert_eq!(history(&*log), history(&*whole), "seed {seed}");
        let seconds: Vec<i64> = history(&*log).iter().map(|item| item.since.as_second()).collect();
        assert_eq!(seconds, sorted, "seed {seed}");
        let before = bytes(&*log);
        sorted.iter().for_each(|second| publisher.observe(moved(*second)).unwrap());
        publisher.flush().unwrap();
        assert_eq!(bytes(&*log), before, "what is known is not written again, seed {seed}");
    }
}

#[test]
fn a_tag_keeps_a_bounded_history_the_newest() {
    let log = new_log();
    let mut publisher = restored(&log);
    let moves = 16_384 + 40;
    for second in 0..moves {
        publisher.observe(moved(second)).unwrap();
        if second % 1_000 == 0 {
            publisher.flush().unwrap();
        }
    }
    publisher.flush().unwrap();
    let kept = history(&*log);
    assert!((14_000..16_384).contains(&kept.len()), "{} moves are kept", kept.len());
    assert_eq!(kept.last().unwrap().since.as_second(), moves - 1);
    assert!(kept.windows(2).all(|two| two[0].since.as_second() + 1 == two[1].since.as_second()));
    // It goes on.
    let mut publisher = restored(&log);
    publisher.observe(moved(moves)).unwrap();
    publisher.flush().unwrap();
    assert_eq!(history(&*log).len(), kept.len() + 1);
}

#[test]
fn a_record_of_an_earlier_clade_with_the_whole_history_is_divided_with_the_next_move() {
    let log = new_log();
    let item = |second: i64| {
        let Observation::Tag(ObservedTag { mut items, .. }) = moved(second) else { unreachable!() };
        items.remove(0)
    };
    let whole = serde_json::json!({
        "name": TAG, "sequence": 1, "repository": "team/base", "tag": "latest", "home": true,
        "current": item(100), "history": (0..100).map(item).collect::<Vec<_>>(),
    });
    let whole: TagRecord = serde_json::from_value(whole).unwrap();
    assert_eq!(whole.parts, Parts::default());
    let of = TopicPartition { topic: Topic::Tags, partition: 1 };
    let batch = vec![(of, encode(TAG.to_owned(), &whole).unwrap())];
    log.writer("publisher").unwrap().append(batch).unwrap();
    let mut publisher = restored(&log);
    assert_eq!(history(&*log).len(), 101);
    publisher.observe(moved(101)).unwrap();
    publisher.flush().unwrap();
    let seconds: Vec<i64> = history(&*log).iter().map(|item| item.since.as_second()).collect();
    assert_eq!(seconds, (0..=101).collect::<Vec<_>>());
    assert!(fold::<TagRecord>(&*log)[TAG].history.len() < TagHistoryRecord::ITEMS);
}

#[test]
fn an_index_that_is_read_after_its_tag_is_resolved_in_all_of_a_long_history() {
    let log = new_log();
    let mut publisher = restored(&log);
    for second in 0..50 {
        let to = if second % 10 == 9 { "index".to_owned() } else { format!("target {second}") };
        publisher.observe(tag(TAG, second, &[&to])).unwrap();
        publisher.flush().unwrap();
    }
    let images = ["amd64", "arm64"].map(|of| TagImage { digest: digest(of), platform: None }).to_vec();
    publisher = restored(&log);
    publisher.observe(Observation::ImageIndex(digest("index"), images.clone())).unwrap();
    publisher.flush().unwrap();
    let resolved = history(&*log).into_iter().filter(|item| item.digest == Some(digest("index")));
    assert!(resolved.map(|item| item.images).eq(vec![images; 5]));
}

#[test]
fn an_image_index_that_a_tag_left_long_ago_leads_to_its_images() {
    let mut world = World::new();
    for number in 0..150 {
        let images = ["amd", "arm"].map(|of| format!("{of} {number}"));
        let names: Vec<&str> = images.iter().map(String::as_str).collect();
        world.images(&[(names[0], &["a"]), (names[1], &["b"])]).tag(TAG, &names).process();
    }
    let log = SharedLog::clone(&world.log);
    let index_of = |at: usize| history(&*log)[at].digest.unwrap().to_string();
    for at in [0, 70, 140, 149] {
        assert_eq!(world.query().images(&index_of(at)).unwrap().len(), 2, "index {at}");
    }
}

#[test]
fn a_migration_takes_long_histories_along() {
    let log = new_log();
    let mut publisher = restored(&log);
    (0..100).for_each(|second| publisher.observe(moved(second)).unwrap());
    publisher.observe(Observation::Image(Box::new(image("target 99", &["a"])))).unwrap();
    publisher.flush().unwrap();
    let new: SharedLog = Arc::new(MemoryLog::new(7, Faults::none()));
    Publisher::migrate(&*log, &new, clock).unwrap();
    assert_eq!(history(&*new), history(&*log));
    let mut publisher = restored(&new);
    publisher.apply_class(&class("base", TAG, &[])).unwrap();
    publisher.observe(moved(100)).unwrap();
    publisher.flush().unwrap();
    assert_eq!(history(&*new).len(), 101);
}

#[test]
fn a_tag_with_a_slash_is_refused_since_its_name_could_be_that_of_a_part() {
    let log = new_log();
    let mut publisher = restored(&log);
    publisher.observe(tag("team/base:latest/0000000000", 1, &["a"])).unwrap();
    publisher.flush().unwrap();
    assert_eq!(fold::<TagRecord>(&*log), BTreeMap::new());
    let letters = fold::<DeadLetterRecord>(&*log);
    let letter = letters.values().next().unwrap();
    assert!(letter.reason.contains("contains no slash"), "{letter:?}");
}

/// The record of a part, as anybody may write it to a topic of Kafka.
fn write_part(log: &SharedLog, partition: u16, key: &str, name: &str, number: u32) {
    let part = TagHistoryRecord { name: name.to_owned(), number, sequence: 9, items: Vec::new() };
    write(log, partition, encode(key.to_owned(), &part).unwrap());
}

fn write(log: &SharedLog, partition: u16, record: Record) {
    let batch = vec![(TopicPartition { topic: Topic::Tags, partition }, record)];
    log.writer("publisher").unwrap().append(batch).unwrap();
}

#[test]
fn records_of_strangers_about_parts_change_no_history() {
    for parts in [(5, 3), (0, u32::MAX), (u32::MAX, u32::MAX), (7, 7)] {
        let log = new_log();
        let mut publisher = restored(&log);
        (0..50).for_each(|second| publisher.observe(moved(second)).unwrap());
        publisher.flush().unwrap();
        let (before, tag) = (history(&*log), fold::<TagRecord>(&*log).remove(TAG).unwrap());
        let home = (0..3).find(|partition| has_key(&log, *partition, TAG)).unwrap();
        let place = (0..3).find(|at| has_key(&log, *at, &TagHistoryRecord::key(TAG, 0))).unwrap();
        // A part under a foreign key or in a foreign partition, a deletion in a foreign partition, and an absurd range.
        write_part(&log, place, "junk", TAG, 3);
        let elsewhere = (place + 1) % 3;
        if elsewhere != home {
            write_part(&log, elsewhere, &TagHistoryRecord::key(TAG, 2), TAG, 2);
            let key = TagHistoryRecord::key(TAG, 2);
            write(&log, elsewhere, tombstone::<TagHistoryRecord>(key, "gone@1".to_owned()));
        }
        let range = Parts { first: parts.0, end: parts.1 };
        let absurd = TagRecord { sequence: tag.sequence + 100, parts: range, ..tag.clone() };
        write(&log, home, encode(TAG.to_owned(), &absurd).unwrap());
        let mut publisher = restored(&log);
        publisher.observe(moved(50)).unwrap();
        publisher.flush().unwrap();
        // Migration reads the same records and comes to an end as well.
        let new: SharedLog = Arc::new(MemoryLog::new(2, Faults::none()));
        Publisher::migrate(&*log, &new, clock).unwrap();
        if parts == (0, u32::MAX) {
            let after = history_of_tag(&*log);
            assert_eq!(after[..50], before[..], "every part is inside of the range");
            assert_eq!(history(&*new), after);
        }
    }
}

fn has_key(log: &SharedLog, partition: u16, key: &str) -> bool {
    let mut is_there = false;
    for_each(&**log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
        is_there |= stored.record.key == key;
    })
    .unwrap();
    is_there
}

#[test]
fn random_moves_between_few_targets_come_out_as_from_one_publisher_that_has_everything_in_memory() {
    for seed in 0..120 {
        let mut random = fastrand::Rng::with_seed(seed);
        let moves: Vec<Observation> = (0..150)
            .map(|_| match random.u8(0..8) {
                0 => tag(TAG, random.i64(0..90), &[]),
                to => tag(TAG, random.i64(0..90), &[&format!("target {}", to % 3)]),
            })
            .collect();
        let (log, whole) = (new_log(), new_log());
        let (mut publisher, mut at_once) = (restored(&log), restored(&whole));
        for seen in &moves {
            publisher.observe(seen.clone()).unwrap();
            at_once.observe(seen.clone()).unwrap();
            publisher.flush().unwrap();
            if random.u8(0..15) == 0 {
                publisher = restored(&log);
            }
        }
        at_once.flush().unwrap();
        assert_eq!(history(&*log), history(&*whole), "seed {seed}");
    }
}

#[test]
fn a_history_of_large_image_indexes_is_bounded_in_bytes() {
    let log = new_log();
    let mut publisher = restored(&log);
    let images: Vec<TagImage> =
        (0..200).map(|of| TagImage { digest: digest(&format!("platform {of}")), platform: None }).collect();
    for second in 0..700 {
        let Observation::Tag(mut seen) = moved(second) else { unreachable!() };
        seen.items[0].images.clone_from(&images);
        publisher.observe(Observation::Tag(seen)).unwrap();
        if second % 50 == 0 {
            publisher.flush().unwrap();
        }
    }
    publisher.flush().unwrap();
    let kept: usize = history(&*log).iter().map(|item| serde_json::to_vec(item).unwrap().len()).sum();
    assert!((6 << 20..9 << 20).contains(&kept), "{kept} bytes are kept");
}

#[test]
fn a_version_that_is_older_than_the_kept_history_is_not_counted_again() {
    let mut world = World::new();
    world.class("base", TAG);
    for number in 0..16_600 {
        // Each push has another digest and the same layers.
        let name = format!("push {number}");
        world.images(&[(&name, &["a"])]).tag(TAG, &[&name]);
        if number % 4_000 == 3_999 {
            world.process();
        }
    }
    world.process();
    assert!(history(&*world.log).len() < 16_384);
    world.publisher = restored(&world.log);
    world.process();
    assert_eq!(world.publisher.catalog().class("base").unwrap().versions().count(), 1);
}
