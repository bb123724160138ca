//! Makes a log of a copy. The file is made under another name, is read once more as a whole, and gets its own name only
//! then: whoever is killed meanwhile leaves nothing that opens as a log.

use std::path::{Path, PathBuf};

use redb::Database;

use super::super::birth::Unfinished;
use super::super::block::{Block, Opener};
use super::super::check::{Checked, check_file};
use super::super::extent::{self, Extent};
use super::super::fault::Fault;
use super::super::history::{self, History};
use super::super::meta::{FILE, cannot_open, create};
use super::super::packing::{Packing, Sealed};
use super::super::store::Store;
use super::super::tables::{BLOCKS, EXTENTS, Key, key, topic};
use super::parts::{self, Part, strange};
use crate::compress::Packer;
use crate::log::{LogError, Offset, TopicPartition};

/// Bytes of blocks that are written in one transaction, about: they are in memory until then.
const TOGETHER_BYTES: usize = 4 << 20;
/// Blocks of one transaction, at most.
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
    opener: Opener,
    /// Makes blocks of single records.
    packing: Option<Packing>,
    packer: Packer,
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

/// Blocks that wait for their transaction.
#[derive(Default)]
struct Waiting {
    blocks: Vec<(Key, Vec<u8>)>,
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
        Ok(Self::beside(dir, path))
    }

    /// Begins a log in `dir`, which is to have this path.
    fn beside(dir: &Path, path: PathBuf) -> Self {
        Self {
            dir: dir.to_owned(),
            path,
            store: None,
            new: Unfinished::of(dir),
            left: Vec::new(),
            written: Written::default(),
            waiting: Waiting::default(),
            opener: Opener::default(),
            packing: None,
            packer: Packer::default(),
        }
    }

    /// Begins a log that is to replace the one in `dir`, which the caller has locked.
    pub(in super::super) fn replacing(dir: &Path) -> Self {
        Self::beside(dir, dir.join(FILE))
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
        self.close()?;
        // Whoever makes a log in the directory removes unfinished files, this one too.
        if self.path.exists() {
            return Err(is_there(&self.path));
        }
        let Checked { bytes, .. } = self.check(told)?;
        let records = self.written.records;
        let Self { new, path, .. } = self;
        if !new.put(&path)? {
            return Err(is_there(&path));
        }
        Ok(Restored { file: path, bytes, records })
    }

    /// The same for a log that replaces the one that is there.
    pub(in super::super) fn replace(
        mut self,
        told: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<Restored, LogError> {
        self.close()?;
        let Checked { bytes, .. } = self.check(told)?;
        let records = self.written.records;
        let Self { new, path, .. } = self;
        new.replace(&path)?;
        Ok(Restored { file: path, bytes, records })
    }

    fn close(&mut self) -> Result<(), LogError> {
        if !self.written.is_ended || !self.left.is_empty() {
            return Err(LogError::storage(
                "the copy broke off before its end, and nothing of it is kept: try again",
            ));
        }
        drop(self.store.take());
        Ok(())
    }

    fn check(&self, told: impl Fn(u64, u64) + Send + Sync + 'static) -> Result<Checked, LogError> {
        let checked = check_file(&self.dir, self.new.path(), None, told)?;
        if let Some(damage) = checked.damages.first() {
            let dir = self.dir.display();
            return Err(LogError::storage(format!(
                "the disk of {dir} does not give back what was written to it ({damage}): nothing of the copy is kept; choose \
                 another disk"
            )));
        }
        Ok(checked)
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
            Part::Block { offset, bytes } => self.put_block(offset, bytes),
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

    fn put_block(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), LogError> {
        let Some((of, extent)) = self.written.partitions.last() else { return Err(strange()) };
        let (of, extent) = (*of, *extent);
        let mut opener = std::mem::take(&mut self.opener);
        let block = opener.open(key(of, offset), bytes).map_err(|_| strange())?;
        let is_read = block.entries().all(|entry| entry.is_ok_and(|(_, entry)| entry.record().is_ok()));
        if !is_read || offset < self.written.next || block.last >= extent.end {
            return Err(strange());
        }
        self.written.next = block.last + 1;
        self.written.of_last += u64::from(block.count);
        self.written.records += u64::from(block.count);
        if block.is_frame() {
            self.pack(of, &block)?;
        } else {
            self.flush()?;
            self.waiting.add(key(of, offset), bytes.to_vec(), &mut self.written);
        }
        self.opener = opener;
        if self.waiting.bytes >= TOGETHER_BYTES || self.waiting.blocks.len() >= TOGETHER {
            return self.write(false);
        }
        Ok(())
    }

    /// Makes blocks of single records.
    fn pack(&mut self, of: TopicPartition, block: &Block<'_>) -> Result<(), LogError> {
        let Self { packing, packer, waiting, written, .. } = self;
        let packing = packing.get_or_insert_with(|| Packing::of(of));
        if packing.is_empty() {
            packing.turn_to(of);
        }
        for (offset, entry) in block.entries().flatten() {
            let mut put = |sealed: Sealed| waiting.put(sealed, written);
            packing.push_encoded(offset, entry.bytes, packer, &mut put).map_err(not_packed)?;
        }
        Ok(())
    }

    /// Makes a block of the records that are in none yet.
    fn flush(&mut self) -> Result<(), LogError> {
        let Self { packing, packer, waiting, written, .. } = self;
        let Some(packing) = packing else { return Ok(()) };
        packing.finish(packer, &mut |sealed: Sealed| waiting.put(sealed, written)).map_err(not_packed)
    }

    /// Compares the number of records of the last partition with what its extent says.
    fn end_partition(&mut self) -> Result<(), LogError> {
        self.flush()?;
        match self.written.partitions.last() {
            Some((_, extent)) if extent.live != self.written.of_last => Err(strange()),
            _ => Ok(()),
        }
    }

    /// Writes what waits; with the last records, also the extents.
    fn write(&mut self, is_last: bool) -> Result<(), LogError> {
        let store = self.store.as_ref().ok_or(LogError::Closed)?;
        let Waiting { blocks, .. } = std::mem::take(&mut self.waiting);
        let Written { partitions, history, .. } = &self.written;
        store.write("cannot write the copy", |transaction| {
            let mut table = transaction.open_table(BLOCKS)?;
            for (place, bytes) in &blocks {
                table.insert(*place, bytes.as_slice())?;
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

impl Waiting {
    /// Adds a block of the last partition.
    fn add(&mut self, place: Key, bytes: Vec<u8>, written: &mut Written) {
        self.bytes += bytes.len();
        self.blocks.push((place, bytes));
        if let Some((_, extent)) = written.partitions.last_mut() {
            extent.blocks += 1;
        }
    }

    fn put(&mut self, Sealed { place, bytes }: Sealed, written: &mut Written) -> Result<(), Fault> {
        self.add(place, bytes, written);
        Ok(())
    }
}

fn not_packed(fault: Fault) -> LogError {
    match fault {
        Fault::Log(failed) => failed,
        _ => strange(),
    }
}

fn is_there(path: &Path) -> LogError {
    LogError::Configuration(format!(
        "{} is there already, and a backup never replaces a log: name a directory that has none, or move the old one away",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::super::super::frame::tests::encode;
    use super::super::super::{EmbeddedLog, Options};
    use super::*;
    use crate::log::{Log as _, Record, Stored, for_each};
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 2 };

    fn record(offset: Offset) -> Record {
        Record { key: format!("key {offset}"), value: Some(vec![b'x'; 300]), headers: Vec::new() }
    }

    #[test]
    fn a_copy_that_version_0_2_sends_becomes_a_log_of_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let mut restoring = Restoring::begin(dir.path()).unwrap();
        // The begin of a stream of format 2: three partitions and 1,000 records.
        let body = [&[2, 0, 3, 0][..], &1_000_u64.to_le_bytes()].concat();
        let checksum = crate::checksum::of(&[&[1], &body]).to_le_bytes();
        restoring.take(&[&[1, 12, 0, 0, 0][..], &checksum, &body].concat()).unwrap();
        let extent = Extent { end: 1_100, since: 7, live: 1_000, blocks: 0 };
        restoring.take(&Part::Partition { topic: 1, partition: 2, extent }.encode()).unwrap();
        for offset in 50..1_050 {
            let bytes = encode((1, 2, offset), 5, &record(offset));
            restoring.take(&Part::Block { offset, bytes: &bytes }.encode()).unwrap();
        }
        restoring.take(&Part::End.encode()).unwrap();
        assert_eq!(restoring.finish(|_, _| {}).unwrap().records, 1_000);
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        let mut found = Vec::new();
        for_each(&log, IMAGES, |stored| found.push(stored.clone())).unwrap();
        let stored = |offset| Stored { offset, timestamp: 5, record: record(offset) };
        assert!(found == (50..1_050).map(stored).collect::<Vec<_>>());
        assert_eq!(log.end(IMAGES).unwrap(), 1_100);
    }
}
