//! What the embedded log does besides.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::{Log as _, LogError, Offset};
use clade::record::Topic;

use super::{ALL, EVENTS, IMAGES, STATES, append, contents, open, put, read, tombstone};

#[test]
fn an_embedded_log_that_is_opened_again_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, vec![put("a", "1"), put("a", "2")]);
    log.compact().unwrap();
    let before = contents(&log, IMAGES);
    drop(log);
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    assert_eq!(log.partitions(), 2);
    assert_eq!(contents(&log, IMAGES), before);
    assert_eq!(append(&log, IMAGES, vec![put("b", "3")]), [2]);
}

#[test]
fn an_embedded_log_drops_events_and_tombstones_when_they_are_past_their_retention() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    let dir = tempfile::tempdir().unwrap();
    let options = Options { clock: || NOW.load(Ordering::Relaxed), ..Options::default() };
    let log = EmbeddedLog::open(dir.path(), options).unwrap();
    append(&log, EVENTS, vec![put("old", "1")]);
    append(&log, STATES, vec![put("a", "1"), tombstone("a"), put("b", "2")]);
    NOW.store(Topic::Classifications.retention_ms() + 1, Ordering::Relaxed);
    log.compact().unwrap();
    // The record goes first: a reader that has passed it must come to its tombstone.
    assert_eq!(
        contents(&log, STATES),
        [(1, "a".to_owned(), None), (2, "b".to_owned(), Some("2".to_owned()))]
    );
    log.compact().unwrap();
    assert_eq!(contents(&log, STATES), [(2, "b".to_owned(), Some("2".to_owned()))]);
    assert_eq!(contents(&log, EVENTS).len(), 1);
    append(&log, EVENTS, vec![put("new", "2")]);
    NOW.store(Topic::Outdated.retention_ms() + 1, Ordering::Relaxed);
    log.compact().unwrap();
    assert_eq!(contents(&log, EVENTS), [(1, "new".to_owned(), Some("2".to_owned()))]);
}

#[test]
fn an_embedded_log_compacts_itself_when_half_of_a_partition_may_be_old() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    for _ in 0..12 {
        append(
            &log,
            STATES,
            (0..5_000).map(|number| put(&format!("key {}", number % 10), "value")).collect(),
        );
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while contents(&log, STATES).len() > 10_010 {
        assert!(Instant::now() < deadline, "{} records are left", contents(&log, STATES).len());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn the_end_of_a_partition_outlives_all_of_its_records() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { clock: || NOW.load(Ordering::Relaxed), ..Options::default() };
    let log = EmbeddedLog::open(dir.path(), options()).unwrap();
    append(&log, EVENTS, vec![put("a", "1"), put("b", "2")]);
    NOW.store(Topic::Outdated.retention_ms() + 1, Ordering::Relaxed);
    log.compact().unwrap();
    assert_eq!(contents(&log, EVENTS), []);
    drop(log);
    let log = EmbeddedLog::open(dir.path(), options()).unwrap();
    assert_eq!(append(&log, EVENTS, vec![put("c", "3")]), [2]);
    let read = read(&log, EVENTS, 0, ALL);
    assert_eq!((read.records.len(), read.next), (1, 3));
}

#[test]
fn a_log_that_is_open_says_by_whom_to_the_next_who_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { command: "clade run".to_owned(), ..Options::default() };
    let _log = EmbeddedLog::open(dir.path(), options).unwrap();
    let Err(LogError::InUse(message)) = EmbeddedLog::open(dir.path(), Options::default()) else {
        panic!("opened twice")
    };
    assert!(message.contains(&format!("process {} (clade run)", std::process::id())), "{message}");
    assert!(message.contains(&dir.path().display().to_string()), "{message}");
}

#[test]
fn a_log_is_not_opened_with_another_number_of_partitions() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 2).unwrap());
    let Err(LogError::Incompatible(message)) = open(dir.path(), 3) else { panic!("opened") };
    assert!(message.contains("has 2 partitions and cannot be opened with 3"), "{message}");
    drop(open(dir.path(), 2).unwrap());
}

#[test]
fn a_file_that_is_no_log_is_told_by_its_name_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.redb");
    std::fs::write(&file, "something else").unwrap();
    let Err(LogError::Storage { text: message, .. }) = open(dir.path(), 2) else { panic!("opened") };
    assert!(message.contains(&file.display().to_string()), "{message}");
    assert_eq!(std::fs::read(&file).unwrap(), b"something else");
}

#[test]
fn a_log_that_is_cleared_is_as_new_and_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    assert!(log.is_empty());
    append(&log, IMAGES, vec![put("a", "1")]);
    assert!(!log.is_empty());
    log.clear().unwrap();
    assert!(log.is_empty());
    assert_eq!(contents(&log, IMAGES), []);
    drop(log);
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    assert!(log.is_empty() && log.partitions() == 2);
    assert_eq!(append(&log, IMAGES, vec![put("b", "2")]), [0]);
}

#[test]
fn writers_that_append_at_the_same_time_are_all_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let log = &log;
            scope.spawn(move || {
                let mut appender = log.writer(&format!("writer {writer}")).unwrap();
                for number in 0..20 {
                    appender.append(vec![(IMAGES, put(&format!("{writer} {number}"), "1"))]).unwrap();
                }
            });
        }
    });
    let offsets: Vec<Offset> = contents(&log, IMAGES).into_iter().map(|(offset, ..)| offset).collect();
    assert_eq!(offsets, (0..160).collect::<Vec<_>>());
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_writer_that_is_dropped_lets_its_batch_be_committed_before_the_next_one_opens() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    for before in 0..50 {
        let mut writer = log.writer("test").unwrap();
        writer.begin(vec![(IMAGES, put("key", "value"))]).unwrap();
        drop(writer);
        let next = log.writer("test").unwrap();
        assert_eq!(log.end(IMAGES).unwrap(), before + 1, "its successor would read too little");
        drop(next);
    }
}
