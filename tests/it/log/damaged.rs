//! The embedded log on a damaged file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::{Log, LogError, Offset, Stored, TopicPartition, for_each};
use clade::record::Topic;

use super::{IMAGES, STATES, append, contents, open, put, tombstone};

const FILE: &str = "log.redb";
/// Damages of one run. The seeds are the same in every run; `CLADE_DAMAGES` makes more of them.
const DAMAGES: u64 = 200;
const PAGE: usize = 4096;

/// Everything that a log says.
pub(super) type Content = Vec<(TopicPartition, Offset, Vec<Stored>)>;

pub(super) fn read_all(log: &dyn Log) -> Result<Content, LogError> {
    let mut all = Vec::new();
    for topic in Topic::ALL {
        for partition in clade::log::follow::partitions(log, topic) {
            let of = TopicPartition { topic, partition };
            let mut records = Vec::new();
            for_each(log, of, |stored| records.push(stored.clone()))?;
            all.push((of, log.end(of)?, records));
        }
    }
    Ok(all)
}

/// Makes a log as it is after some time: many commits, a compaction, and records of all sizes.
pub(super) fn make(dir: &Path) -> Content {
    let random = &mut fastrand::Rng::with_seed(7);
    let log = open(dir, 3).unwrap();
    for round in 0..40 {
        let topic = [Topic::Images, Topic::Tags, Topic::Classifications, Topic::Outdated][round % 4];
        let to = TopicPartition { topic, partition: random.u16(0..3) };
        let records = (0..random.usize(1..60)).map(|_| {
            let key = format!("{topic}/{}", random.u16(0..200));
            let len = random.usize(0..900);
            if random.u8(0..10) == 0 { tombstone(&key) } else { put(&key, &text(random, len)) }
        });
        append(&log, to, records.collect());
        if round == 25 {
            log.compact().unwrap();
        }
    }
    read_all(&log).unwrap()
}

/// A text that compression makes hardly smaller.
pub(super) fn text(random: &mut fastrand::Rng, len: usize) -> String {
    (0..len).map(|_| random.alphanumeric()).collect()
}

/// Damages a file in one way. Returns what was done.
pub(super) fn damage(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) -> String {
    let pages = bytes.len() / PAGE;
    let (one, other) = (random.usize(..pages) * PAGE, random.usize(..pages) * PAGE);
    match random.u8(0..4) {
        0 => {
            // Every other flips a bit of the first page, which has the most numbers that redb trusts.
            let within = if random.bool() { 320 } else { bytes.len() };
            let bit = random.usize(..within * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            format!("bit {} of byte {} flipped", bit % 8, bit / 8)
        }
        1 => {
            bytes[one..one + PAGE].fill(0);
            format!("page {} zeroed", one / PAGE)
        }
        2 => {
            let (first, second) = (bytes[one..one + PAGE].to_vec(), bytes[other..other + PAGE].to_vec());
            bytes[one..one + PAGE].copy_from_slice(&second);
            bytes[other..other + PAGE].copy_from_slice(&first);
            format!("pages {} and {} swapped", one / PAGE, other / PAGE)
        }
        _ => {
            let len = if random.bool() { one } else { random.usize(..bytes.len()) };
            bytes.truncate(len);
            format!("cut off at {len}")
        }
    }
}

#[test]
fn a_damaged_file_gives_the_same_records_or_an_error_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let expected = make(dir.path());
    let whole = std::fs::read(dir.path().join(FILE)).unwrap();
    let damages = std::env::var("CLADE_DAMAGES").map_or(DAMAGES, |many| many.parse().unwrap());
    let mut noticed = 0;
    for seed in 0..damages {
        let mut bytes = whole.clone();
        let done = damage(&mut bytes, &mut fastrand::Rng::with_seed(seed));
        let at = format!("seed {seed}: {done}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), bytes).unwrap();
        let told = catch_unwind(AssertUnwindSafe(|| {
            let log = EmbeddedLog::open(dir.path(), Options::default())?;
            let content = read_all(&log)?;
            // Whatever comes of it, writing must not panic either.
            if let Ok(mut writer) = log.writer("test") {
                let _ = writer.append(vec![(IMAGES, put("new", "1"))]);
            }
            let _ = log.compact();
            Ok::<_, LogError>(content)
        }));
        match told.unwrap_or_else(|_| panic!("{at}: it panics")) {
            Ok(found) => assert!(found == expected, "{at}: other records are found, and nothing is said"),
            Err(error) => {
                noticed += 1;
                assert!(error.to_string().contains(FILE), "{at}: {error}");
            }
        }
    }
    assert!(
        noticed > damages / 4,
        "{noticed} of {damages} damages are noticed: the others hit what is not used"
    );
}

#[test]
fn an_error_of_a_damaged_record_says_where_it_is_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    append(&log, IMAGES, vec![put("a", "the first")]);
    append(&log, IMAGES, vec![put("b", "the second")]);
    drop(log);
    let path = dir.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = bytes
        .windows(10)
        .enumerate()
        .filter(|(_, window)| *window == b"the second")
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "the record is not found in the file");
    places.iter().for_each(|at| bytes[at + 4] = b'S');
    std::fs::write(&path, bytes).unwrap();
    let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
    let told = |result: Result<(), LogError>| {
        let Err(error @ LogError::Damaged { .. }) = result else { panic!("{result:?}") };
        let told = error.to_string();
        assert!(
            told.contains("the block of records that begins with images[1]@1 is not what was written"),
            "{told}"
        );
        let check = format!("`clade log check --data-dir {}`", dir.path().display());
        assert!(told.contains(&path.display().to_string()) && told.contains(&check), "{told}");
        assert!(told.contains("backup"), "{told}");
    };
    told(for_each(&log, IMAGES, |_| {}));
    told(log.get(IMAGES, 1).map(drop));
    told(log.offset_at(IMAGES, i64::MAX).map(drop));
    told(log.compact());
    assert_eq!(log.get(IMAGES, 0).unwrap().unwrap().record, put("a", "the first"), "the other is well");
}

#[test]
fn a_reader_that_begins_while_a_compaction_removes_records_reports_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 2).unwrap();
    append(&log, STATES, (0..100).map(|number| put(&format!("{}", number % 10), "1")).collect());
    let mut reader = log.reader(STATES.topic, &[(1, 0)]).unwrap();
    let few = clade::log::ReadLimit { records: 30, bytes: usize::MAX };
    assert_eq!(reader.read(few, std::time::Duration::ZERO).unwrap().records.len(), 30);
    log.compact().unwrap();
    let mut left = 0;
    loop {
        let fetched = reader.read(few, std::time::Duration::ZERO).unwrap();
        left += fetched.records.len();
        if fetched.at_end {
            break;
        }
    }
    assert_eq!(left, 10);
    assert_eq!(contents(&log, STATES).len(), 10);
    append(&log, STATES, vec![put("new", "1")]);
    assert_eq!(contents(&log, STATES).len(), 11);
}

#[test]
fn a_file_that_was_cut_off_to_nothing_is_not_taken_for_a_new_log() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 2).unwrap());
    std::fs::write(dir.path().join(FILE), "").unwrap();
    let opened = EmbeddedLog::open(dir.path(), Options::default()).map(drop);
    assert!(matches!(opened, Err(LogError::Damaged { .. })), "{opened:?}");
}

#[test]
fn a_file_without_tables_is_not_taken_for_a_new_log() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(open(dir.path(), 2).unwrap());
    let path = dir.path().join(FILE);
    drop(redb::Database::create(other.path().join(FILE)).unwrap());
    std::fs::copy(other.path().join(FILE), &path).unwrap();
    let opened = EmbeddedLog::open(dir.path(), Options::default()).map(drop);
    assert!(matches!(opened, Err(LogError::Damaged { .. })), "{opened:?}");
    let checked = clade::log::embedded::check(dir.path(), "test", |_, _| {}).unwrap();
    assert_eq!(checked.many(), 1, "{checked:?}");
}
