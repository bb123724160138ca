//! The processor beyond its conclusions: what readers see when, and what becomes of records that are none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{SharedLog, TopicPartition, for_each};
use clade::processor::{Options, Processor, ProcessorError, Step};
use clade::record::{DeadLetterRecord, ProgressRecord, Record, Topic, decode, encode};
use clade::view::View;

use crate::support::{digest, image};

const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 0 };

fn log_with(records: Vec<Record>) -> SharedLog {
    let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::none()));
    append(&log, records);
    log
}

fn append(log: &SharedLog, records: Vec<Record>) {
    log.writer("test").unwrap().append(records.into_iter().map(|record| (IMAGES, record)).collect()).unwrap();
}

fn record(name: &str) -> Record {
    encode(digest(name).to_string(), &image(name, &["A", name])).unwrap()
}

fn letters(log: &SharedLog) -> Vec<DeadLetterRecord> {
    let mut letters = Vec::new();
    for partition in 0..log.partitions() {
        for_each(&**log, TopicPartition { topic: Topic::DeadLetters, partition }, |stored| {
            letters.extend(decode::<DeadLetterRecord>(&stored.record).unwrap());
        })
        .unwrap();
    }
    letters
}

fn count(view: &Arc<View>) -> usize {
    view.snapshot().shards().map(|shard| shard.index().len()).sum()
}

#[test]
fn readers_see_a_batch_after_its_commit_and_all_of_it_at_once() {
    let log = log_with(vec![record("one")]);
    let view = Arc::new(View::new(1));
    let seen: Arc<Mutex<Vec<(Step, usize)>>> = Arc::default();
    let observer = {
        let (view, seen) = (Arc::clone(&view), Arc::clone(&seen));
        Arc::new(move |_, step| seen.lock().unwrap().push((step, count(&view))))
    };
    let options = Options { observer, ..Options::default() };
    let mut processor = Processor::restore(SharedLog::clone(&log), Some(&view), 0, options).unwrap();
    append(&log, vec![record("two"), record("three")]);
    // One begins to append, the next finds nothing more and so waits for it.
    processor.step(Duration::ZERO).unwrap();
    processor.step(Duration::ZERO).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Step::Restored, 0),
            (Step::Concluded, 0),
            (Step::Committed, 0),
            (Step::Published, 1),
            (Step::Read, 1),
            (Step::Concluded, 1),
            (Step::Committed, 1),
            (Step::Published, 3),
        ]
    );
}

/// A processor that nobody reads, which has begun to commit a batch, the record "two".
struct Committing {
    log: SharedLog,
    processor: Processor,
    /// What is appended with each commit from now on, the last first.
    late: Arc<Mutex<Vec<Record>>>,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Committing {
    fn in_batches_of(batch_records: usize) -> Self {
        let log = log_with(vec![record("one")]);
        let late: Arc<Mutex<Vec<Record>>> = Arc::default();
        let steps: Arc<Mutex<Vec<Step>>> = Arc::default();
        let observer = {
            let (log, late, steps) = (SharedLog::clone(&log), Arc::clone(&late), Arc::clone(&steps));
            Arc::new(move |_, step| {
                steps.lock().unwrap().push(step);
                if step == Step::Committed {
                    append(&log, late.lock().unwrap().pop().into_iter().collect());
                }
            })
        };
        let options = Options { observer, batch_records, ..Options::default() };
        let processor = Processor::restore(SharedLog::clone(&log), None, 0, options).unwrap();
        append(&log, vec![record("two")]);
        let mut committing = Self { log, processor, late, steps };
        assert_eq!(committing.read(), 1);
        assert_eq!(committing.processor.progress().images, 1, "it is under way");
        committing.steps.lock().unwrap().clear();
        committing
    }

    /// How many records the next step reads.
    fn read(&mut self) -> usize {
        self.processor.step(Duration::ZERO).unwrap().records
    }
}

#[test]
fn what_comes_until_a_batch_is_committed_belongs_to_the_next() {
    let mut of = Committing::in_batches_of(8);
    append(&of.log, vec![record("three")]);
    of.late.lock().unwrap().extend([record("five"), record("four")]);
    assert_eq!(of.read(), 2, "what was read, and what came while it waited");
    assert_eq!(of.processor.progress().images, 2);
    assert_eq!(*of.steps.lock().unwrap(), [Step::Committed, Step::Published, Step::Read, Step::Concluded]);
    assert_eq!(of.read(), 0, "nothing to read: the batch is waited for");
    assert_eq!(of.processor.progress().images, 4);
    assert_eq!(of.read(), 1);
}

#[test]
fn a_full_batch_is_concluded_while_the_last_is_being_committed() {
    let mut of = Committing::in_batches_of(2);
    append(&of.log, ["three", "four", "five"].map(record).to_vec());
    assert_eq!(of.read(), 2);
    assert_eq!(*of.steps.lock().unwrap(), [Step::Read, Step::Concluded, Step::Committed, Step::Published]);
}

#[test]
fn a_reader_that_holds_on_keeps_what_it_has_and_stops_nobody() {
    let log = log_with(vec![record("one")]);
    let view = Arc::new(View::new(1));
    let mut processor =
        Processor::restore(SharedLog::clone(&log), Some(&view), 0, Options::default()).unwrap();
    let held = view.snapshot();
    let images = || held.shards().map(|shard| shard.index().len()).sum::<usize>();
    assert_eq!(images(), 1);
    for name in ["two", "three", "four"] {
        append(&log, vec![record(name)]);
        processor.step(Duration::ZERO).unwrap();
        processor.step(Duration::ZERO).unwrap();
    }
    assert_eq!(images(), 1);
    assert_eq!(count(&view), 4);
}

#[test]
fn a_record_that_is_none_is_a_dead_letter_with_its_place_and_reason_and_the_others_go_on() {
    let later = Record {
        headers: vec![("ce_type".into(), "dev.clade.image.v9".into())],
        ..record("from a later version")
    };
    let half = Record { value: Some(b"{\"digest\":".to_vec()), ..record("half") };
    let other = Record { key: digest("somebody else").to_string(), ..record("mistaken") };
    let no_key = Record { key: "no digest".to_owned(), ..record("nameless") };
    let log = log_with(vec![record("good"), later, half, other, no_key, record("last")]);
    let view = Arc::new(View::new(1));
    let mut processor =
        Processor::restore(SharedLog::clone(&log), Some(&view), 0, Options::default()).unwrap();
    processor.step(Duration::ZERO).unwrap();
    assert_eq!(count(&view), 2);
    let letters = letters(&log);
    let places: Vec<&str> = letters.iter().map(|letter| letter.origin.as_str()).collect();
    assert_eq!(places, ["images[0]@1", "images[0]@2", "images[0]@3", "images[0]@4"]);
    let reasons =
        ["dev.clade.image.v9", "not a valid dev.clade.image", "is about", "is not the digest of an image"];
    for (letter, reason) in letters.iter().zip(reasons) {
        assert!(letter.reason.contains(reason), "{}", letter.reason);
    }
    // A processor that is restored has nothing to add.
    let before = log.end(TopicPartition { topic: Topic::DeadLetters, partition: 0 }).unwrap();
    Processor::restore(SharedLog::clone(&log), Some(&view), 0, Options::default()).unwrap();
    assert_eq!(log.end(TopicPartition { topic: Topic::DeadLetters, partition: 0 }).unwrap(), before);
}

#[test]
fn a_partition_that_was_processed_among_another_number_of_partitions_is_refused() {
    let log = log_with(Vec::new());
    let progress = ProgressRecord { sequence: 1, ..ProgressRecord::beginning(0, 8) };
    let at = TopicPartition { topic: Topic::Progress, partition: 0 };
    log.writer("test").unwrap().append(vec![(at, encode("0".to_owned(), &progress).unwrap())]).unwrap();
    let refused = Processor::restore(log, None, 0, Options::default()).err().unwrap();
    assert!(matches!(refused, ProcessorError::Partitions { before: 8, now: 1, .. }), "{refused}");
}

#[test]
fn what_comes_of_an_image_stands_in_the_trace_of_the_image() {
    let mut world = crate::support::World::new();
    world.class("os", "base:latest").images(&[("base", &["A"])]).tag("base:latest", &["base"]).process();
    world.images(&[("app", &["A", "B"])]).process();
    let trace = |topic: Topic| {
        let mut found = None;
        for partition in 0..world.log.partitions() {
            for_each(&*world.log, TopicPartition { topic, partition }, |stored| {
                if stored.record.key == digest("app").to_string() {
                    found = stored.record.trace().map(|trace| trace.to_string());
                }
            })
            .unwrap();
        }
        found.unwrap_or_else(|| panic!("{topic} has no trace"))
    };
    let (image, classification) = (trace(Topic::Images), trace(Topic::Classifications));
    let transition = trace(Topic::Outdated);
    // The same trace, three spans.
    assert_eq!(image[..35], classification[..35]);
    assert_eq!(image[..35], transition[..35]);
    assert!(image != classification && image != transition && classification != transition);
}

#[test]
fn a_bad_record_with_a_huge_key_or_version_is_a_dead_letter_like_any_other() {
    // What is written as an escape is told with six characters for each.
    let huge = "\u{1}".repeat(300_000);
    let key = Record { key: huge.clone(), ..record("nameless") };
    let version = Record { headers: vec![("ce_type".into(), huge.into())], ..record("from a later version") };
    let log = log_with(vec![key, version, record("good")]);
    let processor = Processor::restore(SharedLog::clone(&log), None, 0, Options::default()).unwrap();
    assert_eq!(processor.images(), 1);
    let letters = letters(&log);
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.reason.len() < 5_000), "cut");
}

#[test]
fn a_conclusion_that_no_log_takes_is_a_dead_letter_and_the_others_go_on() {
    let mut world = crate::support::World::new();
    for class in ["os", "vendor", "support", "licence"] {
        world.class(class, "base:latest");
    }
    world.images(&[("base", &["A"])]).tag("base:latest", &["base"]).process();
    let mut large = image("large", &["A", "B"]);
    let around = encode(digest("large").to_string(), &large).unwrap().bytes();
    let long = large.platform.os.to_string() + &"x".repeat(clade::log::MAX_RECORD_BYTES - around);
    large.platform.os = long.into();
    let records = [("large", large), ("small", image("small", &["A", "C"]))];
    let partition =
        clade::record::partition_of(&digest("base"), &records[1].1.chain(), world.log.partitions());
    let to = TopicPartition { topic: Topic::Images, partition };
    let batch =
        records.iter().map(|(name, of)| (to, encode(digest(name).to_string(), of).unwrap())).collect();
    world.log.writer("stranger").unwrap().append(batch).unwrap();
    let found = world.classifications();
    assert!(
        found.contains_key(&digest("small").to_string()) && !found.contains_key(&digest("large").to_string())
    );
    assert!(letters(&world.log).iter().any(|letter| letter.reason.contains("more than the")));
}

#[test]
fn tags_beyond_all_measure_are_counted_in_a_transition_and_not_named() {
    let mut world = crate::support::World::new();
    world.class("os", "base:latest").images(&[("base", &["A"]), ("app", &["A", "B"])]);
    let name = |number: usize| format!("app{}:{number}", "p".repeat(1_000));
    for number in 0..2_000 {
        world.tag(&name(number), &["app"]);
    }
    world.tag("base:latest", &["base"]).process();
    let found = crate::support::transitions(&*world.log);
    let event = found.iter().find(|event| event.digest == digest("app")).unwrap();
    assert_eq!(event.tags.len() as u64 + event.more_tags, 2_000);
    assert!(event.tags.len() > 200 && event.more_tags > 1_000);
}

#[test]
fn a_processor_that_is_told_to_stop_does_not_restore_to_the_end() {
    let log = log_with(vec![record("one")]);
    let options = Options::default();
    options.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = Processor::restore(log, None, 0, options).err();
    assert!(matches!(stopped, Some(ProcessorError::Stopped)), "{stopped:?}");
}
