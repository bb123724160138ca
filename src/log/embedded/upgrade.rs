//! Turns a file of an older format over to the present one, once. The new file is made beside the old one, is read once more as
//! a whole, and takes its name then: whoever is killed before has the old one.
//!
//! This module is a target of its own, so that people see its lines by default.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::backup::{Restored, Restoring, copy};
use super::birth::sweep;
use super::lock::Owner;
use super::meta::Found;
use super::store::Store;
use crate::log::LogError;

/// Interval of the lines that say how far it is. Shorter work needs none.
const LINES: Duration = Duration::from_secs(2);

/// The identity of a file, which its name may be taken from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn of(path: &Path) -> Result<Self, LogError> {
        let about = std::fs::metadata(path)
            .map_err(|error| LogError::caused(format_args!("cannot read {}", path.display()), error))?;
        Ok(Self(about.dev(), about.ino()))
    }
}

/// Makes a file of the present format in place of the one that is open, which was found under its name as `file`. A damaged file
/// stays, and is an error.
pub(super) fn upgrade(
    dir: &Path,
    file: &FileId,
    store: Store,
    of: &Found,
    command: &str,
) -> Result<(), LogError> {
    let path = store.path().to_owned();
    // Another process may have put a new file there between the look at the old one and the lock on it.
    if FileId::of(&path)? != *file {
        return Err(LogError::InUse(format!(
            "another process has just brought the log in {} to the present format: try again",
            dir.display()
        )));
    }
    let _owner = Owner::note(dir, command);
    sweep(dir);
    let before = size(&path);
    let begun = Progress::begin();
    let made = make(dir, &store, of, &begun).map_err(|failed| match failed {
        LogError::Storage { text, cause } => LogError::Storage {
            text: format!(
                "cannot bring {} to the present format, which takes space for a second file beside it; the old one is as it was: \
                 {text}",
                path.display()
            ),
            cause,
        },
        other => other,
    })?;
    if begun.has_told() {
        let Restored { bytes, records, .. } = made;
        tracing::info!(
            "{} is of the present format now: {records} records in {bytes} bytes, which took {before}",
            path.display()
        );
    }
    // The lock on the old file goes only now.
    drop(store);
    Ok(())
}

fn make(dir: &Path, store: &Store, of: &Found, progress: &Progress) -> Result<Restored, LogError> {
    let mut restoring = Restoring::replacing(dir);
    let told = progress.clone();
    let path = store.path().to_owned();
    copy(store, of, &mut |piece| {
        restoring.take(piece)?;
        let (done, all) = restoring.records();
        told.tell(&path, "records are written", done, all);
        Ok(())
    })?;
    let (told, path) = (progress.clone(), store.path().to_owned());
    restoring.replace(move |done, all| told.tell(&path, "bytes are checked", done, all))
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Says now and then how far it is.
#[derive(Clone)]
struct Progress {
    begun: Instant,
    told: std::sync::Arc<Mutex<Instant>>,
}

impl Progress {
    fn begin() -> Self {
        let begun = Instant::now();
        Self { begun, told: std::sync::Arc::new(Mutex::new(begun)) }
    }

    fn tell(&self, path: &Path, what: &str, done: u64, all: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= LINES {
            *told = Instant::now();
            tracing::info!("{} is brought to the present format: {done} of {all} {what}", path.display());
        }
    }

    fn has_told(&self) -> bool {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) != self.begun
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use redb::Database;

    use super::*;
    use crate::log::embedded::extent::checksum_of;
    use crate::log::embedded::frame::tests::encode;
    use crate::log::embedded::meta::FILE;
    use crate::log::embedded::tables::META;
    use crate::log::embedded::{EmbeddedLog, Options, Restoring, check, old, salvage};
    use crate::log::{Log as _, Record, Stored, TopicPartition, for_each};
    use crate::record::Topic;

    const FRAME: &[u8] = b"\x01\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\0\0";
    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 2 };

    /// A file as the first versions write it: of five records a compaction has left those at these offsets.
    fn write_first(path: &Path, offsets: &[u64]) {
        let transaction = Database::create(path).unwrap();
        let transaction = transaction.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(META).unwrap();
            meta.insert("format", 1).unwrap();
            meta.insert("partitions", 3).unwrap();
            let mut records = transaction.open_table(old::RECORDS).unwrap();
            for offset in offsets {
                records.insert((1, 2, *offset), FRAME).unwrap();
            }
            transaction.open_table(old::PARTITIONS).unwrap().insert((1, 2), (5, 1, 1)).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn record(offset: u64) -> Record {
        let headers = vec![("ce_id".into(), offset.to_string().into())];
        Record { key: format!("key {offset}"), value: Some(vec![b'x'; 300]), headers }
    }

    /// A file as version 0.2 writes it: so many records, of which a compaction has removed every tenth.
    fn write_second(path: &Path, records: u64) {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(META).unwrap();
            let check = crate::checksum::of(&[&2_u64.to_le_bytes(), &3_u64.to_le_bytes()]);
            for (name, value) in [("format", 2), ("partitions", 3), ("check", u64::from(check))] {
                meta.insert(name, value).unwrap();
            }
            let mut table = transaction.open_table(old::RECORDS).unwrap();
            for offset in (0..records).filter(|offset| offset % 10 > 0) {
                let place = (1, 2, offset);
                table.insert(place, encode(place, 1_000, &record(offset)).as_slice()).unwrap();
            }
            let live = records - records.div_ceil(10);
            let checksum = checksum_of((1, 2), &[records, 7, live]);
            let mut extents = transaction.open_table(old::EXTENTS).unwrap();
            extents.insert((1, 2), (records, 7, live, checksum)).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn open(dir: &Path) -> Result<EmbeddedLog, LogError> {
        EmbeddedLog::open(dir, Options { clock: || 5_000, ..Options::default() })
    }

    fn contents(log: &EmbeddedLog) -> Vec<Stored> {
        let mut all = Vec::new();
        for_each(log, IMAGES, |stored| all.push(stored.clone())).unwrap();
        all
    }

    fn expected(records: u64) -> Vec<Stored> {
        let left = (0..records).filter(|offset| offset % 10 > 0);
        left.map(|offset| Stored { offset, timestamp: 1_000, record: record(offset) }).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_of_the_first_format_is_turned_over_and_has_checksums_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        write_first(&dir.path().join(FILE), &[1, 4]);
        let before = check(dir.path(), "test", |_, _| {}).unwrap();
        let found = &before.partitions[0];
        assert_eq!((found.of, found.records, found.without_checksum, found.end), (IMAGES, 2, 2, 5));
        for _ in 0..2 {
            let log = open(dir.path()).unwrap();
            assert_eq!((log.partitions(), log.end(IMAGES).unwrap()), (3, 5));
            assert_eq!(contents(&log).iter().map(|stored| stored.offset).collect::<Vec<_>>(), [1, 4]);
            assert_eq!(log.complete_since().unwrap(), 5_000, "nobody knows what was removed before");
        }
        let checked = check(dir.path(), "test", |_, _| {}).unwrap();
        assert_eq!(checked.many(), 0, "{checked:?}");
        let found = &checked.partitions[0];
        assert_eq!((found.of, found.records, found.without_checksum, found.end), (IMAGES, 2, 0, 5));
    }

    #[test]
    fn a_file_of_the_second_format_keeps_every_record_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write_second(&path, 3_000);
        assert_eq!(check(dir.path(), "test", |_, _| {}).unwrap().many(), 0);
        // A process was killed while it did this.
        std::fs::write(dir.path().join("log.redb.17-0badcafe.new"), vec![0; 9_000]).unwrap();
        let before = size(&path);
        let log = open(dir.path()).unwrap();
        assert!(contents(&log) == expected(3_000));
        log.writer("test").unwrap().append(vec![(IMAGES, record(3_000))]).unwrap();
        assert_eq!(log.end(IMAGES).unwrap(), 3_001);
        drop(log);
        assert_eq!(names(dir.path()), [FILE]);
        assert!(size(&path) * 2 < before, "{} of {before}", size(&path));
        let checked = check(dir.path(), "test", |_, _| {}).unwrap();
        assert_eq!((checked.many(), checked.partitions[0].records), (0, 2_701), "{checked:?}");
    }

    #[test]
    fn a_damaged_file_is_not_turned_over_and_can_be_checked_and_repaired() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write_second(&path, 200);
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let (place, other) = ((1, 2, 55), encode((1, 2, 54), 1_000, &record(54)));
        transaction.open_table(old::RECORDS).unwrap().insert(place, other.as_slice()).unwrap();
        transaction.commit().unwrap();
        drop(database);
        for _ in 0..2 {
            let failed = open(dir.path()).map(drop).unwrap_err();
            assert!(matches!(&failed, LogError::Damaged { .. }), "{failed}");
            assert!(failed.to_string().contains("images[2]@55"), "{failed}");
            assert_eq!(names(dir.path()), [FILE]);
        }
        assert_eq!(check(dir.path(), "test", |_, _| {}).unwrap().many(), 1);
        let to = tempfile::tempdir().unwrap();
        let mut restoring = Restoring::begin(to.path()).unwrap();
        let found = salvage(dir.path(), "test", &mut |piece| restoring.take(piece), |_, _| {}).unwrap();
        restoring.finish(|_, _| {}).unwrap();
        assert_eq!((found.partitions[0].records, found.partitions[0].lost), (179, Some(1)));
        let mut left = expected(200);
        left.retain(|stored| stored.offset != 55);
        assert!(contents(&open(to.path()).unwrap()) == left);
    }

    #[test]
    fn a_damaged_record_of_the_first_format_is_damage_of_the_file_and_no_lack_of_space() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write_first(&path, &[1, 4]);
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(old::RECORDS).unwrap().insert((1, 2, 4), &FRAME[..20]).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let failed = open(dir.path()).map(drop).unwrap_err();
        assert!(matches!(&failed, LogError::Damaged { .. }), "{failed}");
        assert!(failed.to_string().contains("images[2]@4"), "{failed}");
    }

    #[test]
    fn a_file_with_a_record_beyond_the_end_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        write_first(&dir.path().join(FILE), &[1, 5]);
        let opened = open(dir.path()).map(drop);
        assert!(matches!(opened, Err(LogError::Damaged { .. })), "{opened:?}");
    }

    #[test]
    fn whoever_has_opened_a_file_that_was_replaced_meanwhile_leaves_the_new_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write_second(&path, 100);
        let stale = FileId::of(&path).unwrap();
        let log = open(dir.path()).unwrap();
        log.writer("test").unwrap().append(vec![(IMAGES, record(100))]).unwrap();
        drop(log);
        let other = dir.path().join("other");
        write_second(&other, 100);
        let store = Store::open(&path, || Database::create(&other), |_| LogError::Closed).unwrap();
        let of = Found { format: 2, partitions: 3 };
        let refused = upgrade(dir.path(), &stale, store, &of, "test");
        assert!(matches!(refused, Err(LogError::InUse(_))), "{refused:?}");
        assert_eq!(contents(&open(dir.path()).unwrap()).len(), 91);
    }
}
