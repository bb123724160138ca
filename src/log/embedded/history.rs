//! Notes the time since which the file has every record of the topics whose replaced records are kept for a while. An
//! answer about the past needs all records from before that past.
//!
//! An older version of clade compacts without a note. The number of removed records tells: if it is another one than was
//! noted, nothing is known about the time before.

use redb::{ReadTransaction, WriteTransaction};

use super::content;
use super::extent::Extent;
use super::fault::Fault;
use super::store::Store;
use super::tables::META;
use crate::checksum;
use crate::log::{LogError, TopicPartition};

const SINCE: &str = "history-since";
const REMOVED: &str = "history-removed";
const CHECK: &str = "history-check";

/// The note in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct History {
    /// The time since which no record was removed, in milliseconds since the Unix epoch.
    pub(super) since: i64,
    /// The number of records that were removed until then.
    pub(super) removed: u64,
}

/// The history of a log from which nothing was removed yet.
pub(super) const BEGINNING: History = History { since: 0, removed: 0 };

impl History {
    fn check(self) -> u64 {
        u64::from(checksum::of(&[&self.since.to_le_bytes(), &self.removed.to_le_bytes()]))
    }

    /// The history after a compaction that has removed so many records which were replaced before `until`.
    pub(super) fn after(self, removed: u64, until: i64) -> Self {
        if removed == 0 {
            return self;
        }
        Self { since: self.since.max(until), removed: self.removed + removed }
    }
}

/// The extents of partitions.
type Extents = [(TopicPartition, Extent)];

/// The note of an open log; `None` if there is none, or if records were removed without one.
pub(super) fn get(read: &ReadTransaction) -> Result<Option<History>, Fault> {
    get_beside(read, &content::extents(read)?)
}

/// The same for a file that has these extents.
pub(super) fn get_beside(read: &ReadTransaction, extents: &Extents) -> Result<Option<History>, Fault> {
    let meta = read.open_table(META)?;
    let number = |name| Ok::<_, redb::StorageError>(meta.get(name)?.map(|value| value.value()));
    let (Some(since), Some(removed), Some(check)) = (number(SINCE)?, number(REMOVED)?, number(CHECK)?) else {
        return Ok(None);
    };
    let history = History { since: since.cast_signed(), removed };
    if history.check() != check {
        return Err(Fault::damaged(format_args!("its note on removed records has another checksum")));
    }
    let is_all = history.removed == all_removed(extents);
    Ok(is_all.then_some(history))
}

pub(super) fn put(transaction: &WriteTransaction, history: History) -> Result<(), Fault> {
    let mut meta = transaction.open_table(META)?;
    meta.insert(SINCE, history.since.cast_unsigned())?;
    meta.insert(REMOVED, history.removed)?;
    meta.insert(CHECK, history.check())?;
    Ok(())
}

/// Removes the note: of what stands in the file nobody knows what was removed before.
pub(super) fn forget(transaction: &WriteTransaction) -> Result<(), Fault> {
    let mut meta = transaction.open_table(META)?;
    for name in [SINCE, REMOVED, CHECK] {
        meta.remove(name)?;
    }
    Ok(())
}

/// Begins the note now if the file has none that holds.
pub(super) fn begin(store: &Store, now: i64) -> Result<(), LogError> {
    let begun = store.read("cannot read the log", |read| {
        let extents = content::extents(read)?;
        Ok(match get_beside(read, &extents)? {
            Some(_) => None,
            None => Some(match all_removed(&extents) {
                0 => BEGINNING,
                removed => History { since: now, removed },
            }),
        })
    })?;
    if let Some(history) = begun {
        store.write("cannot write the log", |transaction| put(transaction, history))?;
    }
    Ok(())
}

/// The number of records that were removed from topics whose replaced records are kept.
fn all_removed(extents: &Extents) -> u64 {
    let kept = extents.iter().filter(|(of, _)| of.topic.history_ms() > 0);
    kept.map(|(_, extent)| extent.removed()).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::log::embedded::extent;
    use crate::log::embedded::{EmbeddedLog, Options, Restoring};
    use crate::log::{Log as _, Record, for_each};
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 1 };
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    static TODAY: AtomicI64 = AtomicI64::new(0);

    fn open(dir: &Path) -> EmbeddedLog {
        let clock = || TODAY.load(Ordering::Relaxed) * DAY;
        EmbeddedLog::open(dir, Options { clock, ..Options::default() }).unwrap()
    }

    /// A log to which a value of one key was appended on each of these days.
    fn made(dir: &Path, days: &[i64]) -> EmbeddedLog {
        let log = open(dir);
        let mut writer = log.writer("test").unwrap();
        for day in days {
            TODAY.store(*day, Ordering::Relaxed);
            let record = Record { key: "a".to_owned(), value: Some(Vec::new()), headers: Vec::new() };
            writer.append(vec![(IMAGES, record)]).unwrap();
        }
        log
    }

    fn left(log: &EmbeddedLog) -> Vec<u64> {
        let mut offsets = Vec::new();
        for_each(log, IMAGES, |stored| offsets.push(stored.offset)).unwrap();
        offsets
    }

    #[test]
    fn what_was_replaced_lately_stays_and_the_note_says_since_when_nothing_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let log = made(dir.path(), &[100, 101, 110, 120]);
        log.compact().unwrap();
        assert_eq!((left(&log), log.complete_since().unwrap()), (vec![0, 1, 2, 3], 0));
        TODAY.store(132, Ordering::Relaxed);
        log.compact().unwrap();
        assert_eq!((left(&log), log.complete_since().unwrap()), (vec![1, 2, 3], 102 * DAY));
        // Nothing more is old enough.
        TODAY.store(135, Ordering::Relaxed);
        log.compact().unwrap();
        assert_eq!((left(&log), log.complete_since().unwrap()), (vec![1, 2, 3], 102 * DAY));

        let copy = tempfile::tempdir().unwrap();
        let mut restoring = Restoring::begin(copy.path()).unwrap();
        log.copies().unwrap().copy(&mut |piece| restoring.take(piece)).unwrap();
        restoring.finish(|_, _| {}).unwrap();
        assert_eq!(open(copy.path()).complete_since().unwrap(), 102 * DAY);

        // An older version compacts without a note.
        let extents = |transaction: &WriteTransaction| {
            let mut blocks = transaction.open_table(crate::log::embedded::tables::BLOCKS)?;
            blocks.remove(crate::log::embedded::tables::key(IMAGES, 1))?;
            let mut extents = transaction.open_table(crate::log::embedded::tables::EXTENTS)?;
            let mut of = extent::get(&extents, IMAGES)?;
            (of.live, of.blocks) = (of.live - 1, of.blocks - 1);
            extent::put(&mut extents, IMAGES, of)
        };
        assert!(log.shared.store.write("test", extents).is_ok());
        drop(log);
        TODAY.store(140, Ordering::Relaxed);
        assert_eq!(open(dir.path()).complete_since().unwrap(), 140 * DAY);
    }
}
