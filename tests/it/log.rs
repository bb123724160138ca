//! What every log must do, asked of each of them.

use std::time::{Duration, Instant};

use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::memory::{Faults, MemoryLog};
use clade::log::{
    AppendError, Fetched, Log, LogError, MAX_RECORD_BYTES, Offset, ReadLimit, TopicPartition, for_each,
};
use clade::record::{Record, Topic};

mod backup;
mod damaged;
mod embedded_only;
mod repair;

const ALL: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 1 };
/// A compacted topic of which nothing that was replaced is kept.
const STATES: TopicPartition = TopicPartition { topic: Topic::Classifications, partition: 1 };
const EVENTS: TopicPartition = TopicPartition { topic: Topic::Outdated, partition: 1 };

fn put(key: &str, value: &str) -> Record {
    Record { key: key.to_owned(), value: Some(value.as_bytes().to_vec()), headers: Vec::new() }
}

fn tombstone(key: &str) -> Record {
    Record { key: key.to_owned(), value: None, headers: Vec::new() }
}

fn append(log: &dyn Log, to: TopicPartition, records: Vec<Record>) -> Vec<Offset> {
    let batch = records.into_iter().map(|record| (to, record)).collect();
    let offsets = log.writer("test").unwrap().append(batch).unwrap();
    // On Kafka a commit is told before readers see it. A new writer of the name waits until they do.
    drop(log.writer("test").unwrap());
    offsets
}

/// One read that has something, or finds the end.
fn read(log: &dyn Log, of: TopicPartition, offset: Offset, limit: ReadLimit) -> Fetched {
    let mut reader = log.reader(of.topic, &[(of.partition, offset)]).unwrap();
    loop {
        let fetched = reader.read(limit, Duration::from_millis(100)).unwrap();
        if fetched.at_end || !fetched.records.is_empty() {
            return fetched;
        }
    }
}

/// Offset, key and value of everything in a partition.
fn contents(log: &dyn Log, of: TopicPartition) -> Vec<(Offset, String, Option<String>)> {
    let text = |value: &Vec<u8>| String::from_utf8(value.clone()).unwrap();
    let mut all = Vec::new();
    for_each(log, of, |stored| {
        all.push((stored.offset, stored.record.key.clone(), stored.record.value.as_ref().map(text)));
    })
    .unwrap();
    all
}

/// The tests that hold for every log, each a module of its own for each log.
macro_rules! conformance {
    ($name:ident, $open:expr $(, #[$attribute:meta])?) => {
        mod $name {
            use super::*;

            #[test]
            $(#[$attribute])?
            fn what_is_appended_is_read_back_in_order_and_at_the_offsets_that_were_told() {
                let (log, _keep) = $open;
                let mut offsets = append(&log, IMAGES, vec![put("a", "1"), put("b", "2"), tombstone("a")]);
                offsets.extend(append(&log, IMAGES, vec![put("c", "3")]));
                assert!(offsets[0] == 0 && offsets.is_sorted_by(|one, next| one < next), "{offsets:?}");
                assert!(log.end(IMAGES).unwrap() > offsets[3]);
                let expected: Vec<_> = [("a", Some("1")), ("b", Some("2")), ("a", None), ("c", Some("3"))]
                    .into_iter()
                    .zip(&offsets)
                    .map(|((key, value), offset)| (*offset, key.to_owned(), value.map(str::to_owned)))
                    .collect();
                assert_eq!(contents(&log, IMAGES), expected);
                assert_eq!(log.end(EVENTS).unwrap(), 0);
                assert_eq!(contents(&log, EVENTS), []);
            }

            #[test]
            $(#[$attribute])?
            fn a_batch_goes_to_several_partitions_at_once() {
                let (log, _keep) = $open;
                let mut writer = log.writer("test").unwrap();
                let batch = vec![(IMAGES, put("a", "1")), (EVENTS, put("e", "2")), (IMAGES, put("b", "3"))];
                assert_eq!(writer.append(batch).unwrap(), [0, 0, 1]);
            }

            #[test]
            $(#[$attribute])?
            fn headers_and_keys_are_kept() {
                let (log, _keep) = $open;
                let headers = vec![("ce_id".into(), "1".into()), ("empty".into(), "".into())];
                let record = Record { headers, ..put("ein Schlüssel", "1") };
                append(&log, IMAGES, vec![record.clone()]);
                assert_eq!(read(&log, IMAGES, 0, ALL).records[0].record, record);
            }

            #[test]
            $(#[$attribute])?
            fn a_read_stops_at_its_limit_but_returns_one_record_at_least() {
                let (log, _keep) = $open;
                append(&log, IMAGES, vec![put("a", "1234567890"), put("b", "1234567890"), put("c", "3")]);
                let read = |offset, records, bytes| {
                    let limit = ReadLimit { records, bytes };
                    let fetched = read(&log, IMAGES, offset, limit);
                    (fetched.records.len(), fetched.next, limit.is_reached_by(&fetched))
                };
                assert_eq!(read(0, 2, 1_000), (2, 2, true));
                assert_eq!(read(0, 100, 1), (1, 1, true));
                let read = |offset, records, bytes| {
                    let (found, _, is_reached) = read(offset, records, bytes);
                    (found, is_reached)
                };
                assert_eq!(read(2, 1, 1_000), (1, true));
                assert_eq!(read(0, 100, 1_000), (3, false));
                assert_eq!(read(3, 100, 1_000), (0, false));
            }

            #[test]
            $(#[$attribute])?
            fn a_reader_reads_on_in_all_of_its_partitions() {
                let (log, _keep) = $open;
                let other = TopicPartition { partition: 0, ..IMAGES };
                let mut reader = log.reader(Topic::Images, &[(0, 0), (1, 0)]).unwrap();
                let mut read = || {
                    let mut found = Vec::new();
                    loop {
                        let fetched = reader.read(ALL, Duration::from_millis(100)).unwrap();
                        let keys = fetched.records.into_iter().map(|stored| stored.record.key);
                        found.extend(keys.map(|key| (fetched.partition, key)));
                        if fetched.at_end {
                            found.sort();
                            return found;
                        }
                    }
                };
                assert_eq!(read(), []);
                append(&log, IMAGES, vec![put("a", "1"), put("b", "2")]);
                append(&log, other, vec![put("c", "3")]);
                let expected = [(0, "c".to_owned()), (1, "a".to_owned()), (1, "b".to_owned())];
                let deadline = Instant::now() + Duration::from_secs(120);
                let mut found = read();
                while found.len() < expected.len() && Instant::now() < deadline {
                    found.extend(read());
                    found.sort();
                }
                assert_eq!(found, expected);
            }

            #[test]
            $(#[$attribute])?
            fn one_record_is_got_by_its_offset() {
                let (log, _keep) = $open;
                let offsets = append(&log, IMAGES, vec![put("a", "1"), put("b", "2")]);
                let got = |offset| log.get(IMAGES, offset).unwrap().map(|stored| stored.record.key);
                assert_eq!(got(offsets[1]), Some("b".to_owned()));
                assert_eq!(got(offsets[0]), Some("a".to_owned()));
                assert_eq!(got(offsets[1] + 10), None);
            }

            #[test]
            $(#[$attribute])?
            fn a_moment_is_found_at_the_first_record_of_it_or_after_it() {
                let (log, _keep) = $open;
                assert_eq!(log.offset_at(IMAGES, 0).unwrap(), 0);
                let mut offsets = Vec::new();
                for key in ["a", "b", "c"] {
                    let now = clade::record::Timestamp::now().as_millisecond();
                    log.pass_time(now);
                    offsets.extend(append(&log, IMAGES, vec![put(key, "1")]));
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                let mut times = Vec::new();
                for_each(&log, IMAGES, |stored| times.push(stored.timestamp)).unwrap();
                assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
                for (offset, time) in offsets.iter().zip(&times) {
                    assert_eq!(log.offset_at(IMAGES, *time).unwrap(), *offset);
                }
                // Between two, Kafka may name what ends a transaction; reading on from there begins with the next record.
                let found = log.offset_at(IMAGES, times[0] + 1).unwrap();
                assert!(offsets[0] < found && found <= offsets[1], "{found} of {offsets:?}");
                assert_eq!(log.offset_at(IMAGES, -5).unwrap(), offsets[0]);
                let beyond = log.offset_at(IMAGES, times[2] + 60_000).unwrap();
                assert_eq!(beyond, log.end(IMAGES).unwrap());
                assert_eq!(log.offset_at(EVENTS, times[0]).unwrap(), 0);
                assert!(log.complete_since().unwrap() <= times[0], "nothing was compacted");
            }

            #[test]
            $(#[$attribute])?
            fn a_later_writer_of_a_name_fences_the_earlier_and_no_other() {
                let (log, _keep) = $open;
                let mut other = log.writer("other").unwrap();
                let mut earlier = log.writer("test").unwrap();
                let mut later = log.writer("test").unwrap();
                let refused = earlier.append(vec![(IMAGES, put("a", "1"))]);
                assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
                later.append(vec![(IMAGES, put("b", "2"))]).unwrap();
                other.append(vec![(IMAGES, put("c", "3"))]).unwrap();
                drop((log.writer("test").unwrap(), log.writer("other").unwrap()));
                assert_eq!(contents(&log, IMAGES).len(), 2);
            }

            #[test]
            $(#[$attribute])?
            fn a_record_that_is_too_large_is_refused_with_all_of_its_batch() {
                let (log, _keep) = $open;
                let large = put("large", &"x".repeat(MAX_RECORD_BYTES));
                let refused =
                    log.writer("test").unwrap().append(vec![(IMAGES, put("a", "1")), (IMAGES, large)]);
                assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
                assert_eq!(contents(&log, IMAGES), []);
            }

            #[test]
            $(#[$attribute])?
            fn the_largest_record_is_written_and_read() {
                let (log, _keep) = $open;
                append(&log, IMAGES, vec![put("large", &"x".repeat(MAX_RECORD_BYTES - 5))]);
                assert_eq!(contents(&log, IMAGES)[0].2.as_ref().unwrap().len(), MAX_RECORD_BYTES - 5);
            }

            #[test]
            $(#[$attribute])?
            fn a_reader_that_waits_is_woken_by_what_it_waits_for() {
                let (log, _keep) = $open;
                let mut reader = log.reader(Topic::Images, &[(0, 0), (1, 0)]).unwrap();
                // Once it has said that the end is reached, and not before, it waits.
                while !reader.read(ALL, Duration::from_millis(1)).unwrap().at_end {}
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(move || {
                        let fetched = reader.read(ALL, Duration::from_secs(60)).unwrap();
                        let again = reader.read(ALL, Duration::from_millis(1)).unwrap();
                        (fetched.partition, fetched.records.len(), again.records.len())
                    });
                    append(&log, IMAGES, vec![put("a", "1")]);
                    assert_eq!(waiting.join().unwrap(), (1, 1, 0));
                });
            }
        }
    };
}

/// Only the log in memory has to be told what time it is.
trait PassTime {
    fn pass_time(&self, _: i64) {}
}

impl PassTime for EmbeddedLog {}
impl PassTime for clade::log::kafka::KafkaLog {}

impl PassTime for MemoryLog {
    fn pass_time(&self, now: i64) {
        self.set_time(now);
    }
}

/// What the logs of one process do, which compact when told to.
macro_rules! compaction {
    ($name:ident, $open:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn compaction_keeps_the_last_record_of_each_key_every_event_and_every_offset() {
                let (log, _keep) = $open;
                append(&log, STATES, vec![put("a", "1"), put("b", "2"), put("a", "3"), tombstone("b")]);
                append(&log, EVENTS, vec![put("a", "1"), put("a", "2")]);
                log.compact_now();
                assert_eq!(
                    contents(&log, STATES),
                    [(2, "a".to_owned(), Some("3".to_owned())), (3, "b".to_owned(), None)]
                );
                assert_eq!(contents(&log, EVENTS).len(), 2);
                assert_eq!(append(&log, STATES, vec![put("c", "5")]), [4]);
                let read = read(&log, STATES, 0, ReadLimit { records: 1, bytes: usize::MAX });
                assert_eq!((read.records[0].offset, read.next), (2, 3));
            }
        }
    };
}

/// Both kinds compact when told to.
trait CompactNow {
    fn compact_now(&self);
}

impl CompactNow for MemoryLog {
    fn compact_now(&self) {
        self.compact();
    }
}

impl CompactNow for EmbeddedLog {
    fn compact_now(&self) {
        self.compact().unwrap();
    }
}

conformance!(memory, (MemoryLog::new(2, Faults::none()), ()));
conformance!(embedded, embedded_log());
conformance!(kafka, crate::kafka::fresh(2), #[ignore = "needs Apache Kafka: make test"]);
compaction!(memory_compaction, (MemoryLog::new(2, Faults::none()), ()));
compaction!(embedded_compaction, embedded_log());

fn embedded_log() -> (EmbeddedLog, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path(), 2).unwrap(), dir)
}

fn open(dir: &std::path::Path, partitions: u16) -> Result<EmbeddedLog, LogError> {
    EmbeddedLog::open(dir, Options { partitions: Some(partitions), ..Options::default() })
}
