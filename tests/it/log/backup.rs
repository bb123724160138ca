//! Copies of the embedded log.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clade::log::embedded::{EmbeddedLog, Options, Restored, Restoring, check};
use clade::log::{Log as _, LogError, TopicPartition};
use clade::record::Topic;

use super::damaged::{make, read_all};
use super::{EVENTS, IMAGES, append, contents, open, put};

/// Everything that a copy of the log passes on, and its result.
fn sent(log: &EmbeddedLog) -> (Vec<u8>, Result<(), LogError>) {
    let mut sent = Vec::new();
    let copied = log.copies().unwrap().copy(&mut |piece| {
        sent.extend_from_slice(piece);
        Ok(())
    });
    (sent, copied)
}

/// Makes a log of what was passed on. It comes in pieces that have nothing to do with its parts.
fn restore(dir: &Path, sent: &[u8]) -> Result<Restored, LogError> {
    let mut restoring = Restoring::begin(dir)?;
    sent.chunks(1_000).try_for_each(|piece| restoring.take(piece))?;
    restoring.finish(|_, _| {})
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn assert_whole(dir: &Path) {
    let checked = check(dir, "test", |_, _| {}).unwrap();
    assert_eq!(checked.many(), 0, "{checked:?}");
}

#[test]
fn a_copy_has_every_record_at_its_place_and_goes_on_where_the_log_stood() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = make(dir.path());
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    let (sent, copied) = sent(&log);
    copied.unwrap();
    let restored = restore(copy.path(), &sent).unwrap();
    let records: usize = expected.iter().map(|(.., records)| records.len()).sum();
    assert_eq!(restored.records, records as u64);
    assert_eq!(names(copy.path()), ["log.redb"]);
    assert_whole(copy.path());
    let of_copy = EmbeddedLog::open(copy.path(), Options::default()).unwrap();
    assert_eq!(of_copy.partitions(), 3);
    assert!(read_all(&of_copy).unwrap() == expected, "the copy has something else");
    let next = log.end(IMAGES).unwrap();
    assert_eq!(append(&of_copy, IMAGES, vec![put("new", "1")]), [next], "no offset is used twice");
    of_copy.compact().unwrap();
}

#[test]
fn a_copy_that_is_made_while_others_append_and_compact_is_of_one_moment() {
    let first = TopicPartition { partition: 0, ..IMAGES };
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    let (appended, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let append = |number: u64| {
        let record = |of| (of, put(&format!("{}", number % 7), &number.to_string()));
        let batch = vec![record(first), record(IMAGES), record(EVENTS)];
        log.writer("test").unwrap().append(batch).unwrap();
        appended.store(number, Ordering::SeqCst);
    };
    append(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2.. {
                append(number);
                if number % 50 == 0 {
                    log.compact().unwrap();
                }
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        for _ in 0..10 {
            let before = appended.load(Ordering::SeqCst);
            let (sent, copied) = sent(&log);
            // The record that was being appended may be part of the copy before its writer knows.
            let after = appended.load(Ordering::SeqCst) + 1;
            copied.unwrap();
            let copy = tempfile::tempdir().unwrap();
            restore(copy.path(), &sent).unwrap();
            assert_whole(copy.path());
            let of_copy = EmbeddedLog::open(copy.path(), Options::default()).unwrap();
            let last = |of| contents(&of_copy, of).last().unwrap().2.clone().unwrap();
            let moment: u64 = last(IMAGES).parse().unwrap();
            assert!((before..=after).contains(&moment), "{moment} is not in {before}..={after}");
            assert_eq!((last(first), last(EVENTS)), (last(IMAGES), last(IMAGES)), "half a batch");
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_copy_that_breaks_off_anywhere_leaves_nothing_and_the_next_one_works() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, (0..5).map(|number| put(&number.to_string(), "1")).collect());
    append(&log, EVENTS, vec![put("a", "1")]);
    let (sent, _) = sent(&log);
    for length in (0..sent.len()).step_by(7).chain([sent.len() - 1]) {
        let told = restore(copy.path(), &sent[..length]).unwrap_err().to_string();
        assert!(told.contains("broke off before its end"), "{length}: {told}");
        assert_eq!(names(copy.path()), [] as [&str; 0], "{length}");
    }
    let repeated = [&sent[..], &sent[..]].concat();
    assert!(restore(copy.path(), &repeated).is_err(), "nothing follows the end");
    restore(copy.path(), &sent).unwrap();
}

#[test]
fn a_copy_with_a_change_on_its_way_is_refused() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, vec![put("a", "1"), put("b", "2")]);
    let (sent, _) = sent(&log);
    for byte in 0..sent.len() {
        let mut changed = sent.clone();
        changed[byte] ^= 4;
        assert!(restore(copy.path(), &changed).is_err(), "{byte}");
        assert_eq!(names(copy.path()), [] as [&str; 0], "{byte}");
    }
}

#[test]
fn a_copy_never_replaces_a_log_not_even_one_that_is_made_meanwhile() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, vec![put("a", "1")]);
    let (sent, _) = sent(&log);
    let mut restoring = Restoring::begin(copy.path()).unwrap();
    restoring.take(&sent).unwrap();
    let other = open(copy.path(), 5).unwrap();
    append(&other, IMAGES, vec![put("b", "2")]);
    for refused in [restoring.finish(|_, _| {}), restore(copy.path(), &sent)] {
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("is there already") && told.contains("name a directory"), "{told}");
    }
    assert_eq!(contents(&other, IMAGES), [(0, "b".to_owned(), Some("2".to_owned()))]);
    assert_eq!(other.partitions(), 5);
}

#[test]
fn a_damaged_record_ends_a_copy_and_both_sides_learn_its_place() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, vec![put("a", "the first"), put("b", "the second")]);
    drop(log);
    let path = dir.path().join("log.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    let is_record = |at: &usize| bytes[*at..].starts_with(b"the second");
    let places: Vec<usize> = (0..bytes.len()).filter(is_record).collect();
    assert!(!places.is_empty(), "the record is not found in the file");
    places.iter().for_each(|at| bytes[at + 4] = b'S');
    std::fs::write(&path, bytes).unwrap();
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    let (sent, copied) = sent(&log);
    for failed in [copied, restore(copy.path(), &sent).map(drop)] {
        let told = failed.unwrap_err().to_string();
        assert!(
            told.contains("the block of records that begins with images[1]@0 is not what was written"),
            "{told}"
        );
    }
    assert_eq!(names(copy.path()), [] as [&str; 0]);
}

#[test]
fn a_copy_of_a_log_without_records_is_one_too() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sent, copied) = sent(&open(dir.path(), 7).unwrap());
    copied.unwrap();
    assert_eq!(restore(&copy.path().join("a/b"), &sent).unwrap().records, 0);
    let of_copy = EmbeddedLog::open(&copy.path().join("a/b"), Options::default()).unwrap();
    assert!(of_copy.is_empty() && of_copy.partitions() == 7);
    assert_eq!(of_copy.end(TopicPartition { topic: Topic::Images, partition: 6 }).unwrap(), 0);
}
