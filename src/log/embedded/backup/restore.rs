//! Makes a log of a copy. The file is made under another name, is read once more as a whole, and gets its own name only
//! then: whoever is killed meanwhile leaves nothing that opens as a log.

use std::path::{Path, PathBuf};

use redb::Database;

use super::super::birth::Unfinished;
use super::super::check::check_file;
use super::super::extent::{self, Extent};
use super::super::frame;
use super::super::history::{self, History};
use super::super::meta::{FILE, cannot_open, create};
use super::super::store::Store;
use super::super::tables::{EXTENTS, Key, RECORDS, topic};
use super::parts::{self, Part, strange};
use crate::log::{LogError, Offset, TopicPartition};

/// Bytes of frames that are written in one transaction, about: they are in memory until then.
const TOGETHER_BYTES: usize = 4 << 20;
/// Records of one transaction, at most.
const TOGETHER: usize = 10_000;
/// Size of redb's page cache. Records come in order and are not read before the check.
const CACHE_BYTES: usize = 64 << 20;

/// A log that is being made of a copy. Unless it is finished, nothing of it remains.
pub struct Restoring {
    dir: PathBuf,
    path: PathBuf,
    /// Dropped before the file is removed.
    store: Option<Store>,
    new: Unfinished,
    /// Bytes that have come and are no whole part yet.
    left: Vec<u8>,
    written: Written,
    waiting: Waiting,
}

/// The parts that have come so far.
#[derive(Default)]
struct Written {
    partitions: Vec<(TopicPartition, Extent)>,
    /// The number of records of the last partition, and the offset after the last of them.
    of_last: u64,
    next: Offset,
    records: u64,
    of_records: u64,
    history: Option<History>,
    is_ended: bool,
}

/// Records that wait for their transaction.
#[derive(Default)]
struct Waiting {
    frames: Vec<(Key, Vec<u8>)>,
    bytes: usize,
}

/// A log that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its file.
    pub file: PathBuf,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The number of its records.
    pub records: u64,
}

impl Restoring {
    /// Begins a log in `dir`, which is created if it does not exist. Refuses a directory that has a log.
    pub fn begin(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        if path.symlink_metadata().is_ok() {
            return Err(is_there(&path));
        }
        std::fs::create_dir_all(dir)
            .map_err(|error| LogError::caused(format_args!("cannot make {}", dir.display()), error))?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            store: None,
            new: Unfinished::of(dir),
            left: Vec::new(),
            written: Written::default(),
            waiting: Waiting::default(),
        })
    }

    /// Takes the next piece of the copy. Blocks while it writes.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), LogError> {
        let mut bytes = std::mem::take(&mut self.left);
        bytes.extend_from_slice(piece);
        let mut rest = bytes.as_slice();
        while let Some((part, length)) = parts::decode(rest)? {
            self.put(part)?;
            rest = &rest[length..];
        }
        let done = bytes.len() - rest.len();
        bytes.drain(..done);
        self.left = bytes;
        Ok(())
    }

    /// The number of records that have come, and of those that will have come.
    pub fn records(&self) -> (u64, u64) {
        (self.written.records, self.written.of_records)
    }

    /// Checks what was written, and gives the log its name. `told` is called with the part that is checked, of the whole.
    pub fn finish(mut self, told: impl Fn(u64, u64) + Send + Sync + 'static) -> Result<Restored, LogError> {
        if !self.written.is_ended || !self.left.is_empty() {
            return Err(LogError::storage(
                "the copy broke off before its end, and nothing of it is kept: try again",
            ));
        }
        drop(self.store.take());
        // Whoever makes a log in the directory removes unfinished files, this one too.
        if self.path.exists() {
            return Err(is_there(&self.path));
        }
        let checked = check_file(&self.dir, self.new.path(), None, told)?;
        if let Some(damage) = checked.damages.first() {
            let dir = self.dir.display();
            return Err(LogError::storage(format!(
                "the disk of {dir} does not give back what was written to it ({damage}): nothing of the copy is kept; choose \
                 another disk"
            )));
        }
        let records = self.written.records;
        let Self { new, path, .. } = self;
        if !new.put(&path)? {
            return Err(is_there(&path));
        }
        Ok(Restored { file: path, bytes: checked.bytes, records })
    }

    fn put(&mut self, part: Part<'_>) -> Result<(), LogError> {
        if self.written.is_ended
            || self.store.is_none() && !matches!(part, Part::Begin { .. } | Part::Failed(_))
        {
            return Err(strange());
        }
        match part {
            Part::Begin { partitions, records } => self.create(partitions, records),
            Part::Partition { topic: number, partition, extent } => {
                self.end_partition()?;
                let topic = topic(number).ok_or_else(|| {
                    LogError::Incompatible(format!(
                        "the copy has a topic that this version of clade does not know ({number}): use the version that \
                         sends it"
                    ))
                })?;
                self.written.partitions.push((TopicPartition { topic, partition }, extent));
                (self.written.of_last, self.written.next) = (0, 0);
                Ok(())
            }
            Part::Record { offset, frame } => self.put_record(offset, frame),
            Part::History(noted) => {
                self.written.history = Some(noted);
                Ok(())
            }
            Part::End => {
                self.end_partition()?;
                self.write(true)?;
                self.written.is_ended = true;
                if self.written.records == self.written.of_records { Ok(()) } else { Err(strange()) }
            }
            Part::Failed(problem) => Err(LogError::storage(problem)),
        }
    }

    fn create(&mut self, partitions: u16, records: u64) -> Result<(), LogError> {
        if self.store.is_some() {
            return Err(strange());
        }
        let path = self.new.path();
        let store = Store::open(
            path,
            || Database::builder().set_cache_size(CACHE_BYTES).create(path),
            |error| cannot_open(&self.dir, path, error),
        )?;
        create(&store, Some(partitions))?;
        self.store = Some(store);
        self.written.of_records = records;
        Ok(())
    }

    fn put_record(&mut self, offset: Offset, frame: &[u8]) -> Result<(), LogError> {
        let Some((of, extent)) = self.written.partitions.last() else { return Err(strange()) };
        let place = super::super::tables::key(*of, offset);
        if offset < self.written.next || offset >= extent.end || frame::decode(place, frame).is_err() {
            return Err(strange());
        }
        self.written.next = offset + 1;
        self.written.of_last += 1;
        self.written.records += 1;
        self.waiting.bytes += frame.len();
        self.waiting.frames.push((place, frame.to_vec()));
        if self.waiting.bytes >= TOGETHER_BYTES || self.waiting.frames.len() >= TOGETHER {
            return self.write(false);
        }
        Ok(())
    }

    /// Compares the number of records of the last partition with what its extent says.
    fn end_partition(&self) -> Result<(), LogError> {
        match self.written.partitions.last() {
            Some((_, extent)) if extent.live != self.written.of_last => Err(strange()),
            _ => Ok(()),
        }
    }

    /// Writes what waits; with the last records, also the extents.
    fn write(&mut self, is_last: bool) -> Result<(), LogError> {
        let store = self.store.as_ref().ok_or(LogError::Closed)?;
        let Waiting { frames, .. } = std::mem::take(&mut self.waiting);
        let Written { partitions, history, .. } = &self.written;
        store.write("cannot write the copy", |transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            for (place, frame) in &frames {
                records.insert(*place, frame.as_slice())?;
            }
            if is_last {
                let mut rows = transaction.open_table(EXTENTS)?;
                for (of, extent) in partitions {
                    extent::put(&mut rows, *of, *extent)?;
                }
                match history {
                    Some(noted) => history::put(transaction, *noted)?,
                    None => history::forget(transaction)?,
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn is_there(path: &Path) -> LogError {
    LogError::Configuration(format!(
        "{} is there already, and a backup never replaces a log: name a directory that has none, or move the old one away",
        path.display()
    ))
}
