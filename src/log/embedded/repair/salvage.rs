//! Reads all that can be read of a damaged file and passes it on as the parts of a copy.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableTableMetadata as _};

use super::super::backup::Part;
use super::super::block::Opener;
use super::super::content::Content;
use super::super::extent::Extent;
use super::super::fault::{self, Fault};
use super::super::meta::{self, EMPTY, FILE, cannot_open};
use super::super::overlay::{Overlay, Told, Unreadable};
use super::super::store::Store;
use super::super::tables::{META, number};
use super::super::{lock, walk};
use super::gaps::{Readable, Walked, end, readable};
use crate::log::{LogError, Offset, TakePiece, TopicPartition};
use crate::record::Topic;

/// Size of redb's page cache. Each page is read twice.
const CACHE_BYTES: usize = 64 << 20;
/// Places of one partition that are tried behind damaged ones. One takes well below a millisecond.
const ATTEMPTS: usize = 10_000;
/// The end of a partition whose end is lost: beyond each record that there can be.
const UNKNOWN_END: Offset = 1 << 62;
/// The offsets that such a partition leaves out after the last record that was found, so that no offset is given twice: what
/// is lost at its end would have to be four billion offsets long.
const LEFT_OUT: Offset = 1 << 32;

/// What was found in a damaged log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Each partition that had records or may have had some.
    pub partitions: Vec<Salvaged>,
    /// The number of pages, of 4,096 bytes, that the disk does not give back.
    pub unreadable_pages: usize,
}

/// The records of a partition that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salvaged {
    /// The partition.
    pub of: TopicPartition,
    /// The number of records that are as they were written.
    pub records: u64,
    /// The number of records that are lost; `None` if the number of those that were written is lost as well.
    pub lost: Option<u64>,
}

/// Reads the log in `dir` and gives `to` the copy of everything that is as it was written; the file itself is not changed.
/// `told` is called with the part that is done, of the whole. Blocks; the log is locked meanwhile.
///
/// Fails if redb can open no commit of the file, or if the number of partitions is lost.
pub fn salvage(
    dir: &Path,
    command: &str,
    to: TakePiece<'_>,
    told: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Salvage, LogError> {
    let mut file = Damaged::open(dir, told)?;
    let _owner = lock::Owner::note(dir, command);
    let meta::Found { format, partitions } = meta::found(file.store()?, None)?;
    file.format = format;
    let extents = file.extents(partitions)?;
    let mut found = Vec::new();
    for (of, extent) in extents {
        found.push(file.find(of, extent)?);
    }
    let mut send = |part: Part<'_>| to(&part.encode());
    send(Part::Begin { partitions, records: found.iter().map(|part| part.extent.live).sum() })?;
    for part in &found {
        let Found { of, extent, .. } = *part;
        send(Part::Partition { topic: number(of.topic), partition: of.partition, extent })?;
        for range in &part.ranges {
            let Readable { offsets, records } = range.clone();
            let mut pass_on = |offset, bytes: &[u8]| send(Part::Block { offset, bytes });
            let walked = file.walk((of, extent.end), offsets, records, &mut pass_on)?;
            if walked.records != records {
                return Err(fault::damaged(
                    &file.path,
                    format_args!("{of} cannot be read where it could be read before: the disk is failing"),
                ));
            }
        }
    }
    send(Part::End)?;
    Ok(Salvage {
        partitions: found.into_iter().map(Found::told).collect(),
        unreadable_pages: file.unreadable.found().map_or(0, |(pages, _)| pages),
    })
}

/// Takes the offset and the bytes of a block.
type Visit<'a> = &'a mut dyn FnMut(Offset, &[u8]) -> Result<(), LogError>;

/// The readable part of a partition.
struct Found {
    of: TopicPartition,
    ranges: Vec<Readable>,
    /// The extent in the new log.
    extent: Extent,
    lost: Option<u64>,
}

impl Found {
    fn told(self) -> Salvaged {
        Salvaged { of: self.of, records: self.extent.live, lost: self.lost }
    }
}

/// The damaged file.
struct Damaged {
    dir: PathBuf,
    path: PathBuf,
    told: Arc<dyn Fn(u64) + Send + Sync>,
    /// `None` only while it is opened again.
    store: Option<Store>,
    format: u64,
    unreadable: Unreadable,
}

impl Damaged {
    fn open(dir: &Path, told: impl Fn(u64, u64) + Send + Sync + 'static) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        let bytes = std::fs::metadata(&path).map_err(|error| cannot_read(&path, error))?.len();
        if bytes == 0 {
            return Err(fault::damaged(&path, EMPTY));
        }
        // Once to find what can be read, and once to read it.
        let whole = bytes * 2;
        let told = Arc::new(move |read: u64| told(read.min(whole), whole));
        let unreadable = Unreadable::default();
        let mut file = Self { dir: dir.to_owned(), path, told, store: None, format: 0, unreadable };
        file.reopen()?;
        Ok(file)
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        // Its lock goes before the next one is taken.
        self.store = None;
        let told = Arc::clone(&self.told);
        let told: Told = Box::new(move |read| told(read));
        let overlay = Overlay::open(&self.path, told, self.unreadable.clone())
            .map_err(|error| cannot_read(&self.path, error))?;
        let store = Store::open(
            &self.path,
            || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(overlay),
            |error| cannot_open(&self.dir, &self.path, error),
        )?;
        self.store = Some(store);
        Ok(())
    }

    fn store(&self) -> Result<&Store, LogError> {
        self.store.as_ref().ok_or(LogError::Closed)
    }

    /// The extents of all partitions that have one; `None` for those whose extent may be lost.
    fn extents(&mut self, partitions: u16) -> Result<Vec<(TopicPartition, Option<Extent>)>, LogError> {
        let counted = self.read(Content::partitions)?;
        if let Some(all) = self.read(Content::extents)?
            && counted.is_some_and(|counted| counted != all.len() as u64)
        {
            return Err(LogError::Incompatible(
                "the log has topics that this version of clade does not know: use the version that wrote them"
                    .to_owned(),
            ));
        }
        let (mut extents, mut found) = (Vec::new(), 0);
        for topic in Topic::ALL {
            for partition in 0..partitions {
                let of = TopicPartition { topic, partition };
                let extent = self.read(|content| content.extent(of))?;
                found += u64::from(extent.is_some_and(|extent| extent != Extent::default()));
                extents.push((of, extent));
            }
        }
        // If one is missing, each of those that are not there may be it.
        let is_complete = counted == Some(found);
        for (_, extent) in &mut extents {
            if !is_complete && *extent == Some(Extent::default()) {
                *extent = None;
            }
        }
        extents.retain(|(_, extent)| *extent != Some(Extent::default()));
        Ok(extents)
    }

    fn find(&mut self, of: TopicPartition, written: Option<Extent>) -> Result<Found, LogError> {
        let end = match written {
            Some(extent) => extent.end,
            None => end(UNKNOWN_END, ATTEMPTS, |range| {
                self.walk((of, UNKNOWN_END), range, u64::MAX, &mut |_, _| Ok(()))
            })?,
        };
        let ranges =
            readable(end, ATTEMPTS, |range| self.walk((of, end), range, u64::MAX, &mut |_, _| Ok(())))?;
        let live = ranges.iter().map(|range| range.records).sum();
        let extent = match written {
            Some(extent) => Extent { live, since: extent.since.min(live), ..extent },
            None => {
                let end = ranges.last().map_or(0, |range| range.offsets.end) + LEFT_OUT;
                Extent { end, since: live, live, blocks: 0 }
            }
        };
        let lost = written.map(|extent| extent.live.saturating_sub(live));
        Ok(Found { of, ranges, extent, lost })
    }

    /// Gives `visit` the blocks that begin in the range, of at most so many records, up to the first place that is not as it was
    /// written. The partition has no records beyond its end.
    fn walk(
        &mut self,
        (of, end): (TopicPartition, Offset),
        range: Range<Offset>,
        most: u64,
        visit: Visit<'_>,
    ) -> Result<Walked, LogError> {
        let (mut records, mut next, mut is_whole) = (0, range.start, true);
        let (mut opener, mut failed) = (Opener::default(), None);
        let walked = self.read(|content| {
            walk::blocks(&content.blocks, of, range.clone(), |place @ (.., offset), bytes| {
                let block = opener.open(place, bytes).ok().filter(|block| {
                    let mut entries = block.entries();
                    let is_read = entries.all(|entry| entry.is_ok_and(|(_, entry)| entry.record().is_ok()));
                    is_read && offset >= next && block.last < end
                });
                is_whole = block.is_some();
                let Some(block) = block else { return Ok(ControlFlow::Break(())) };
                (records, next) = (records + u64::from(block.count), block.last + 1);
                failed = visit(offset, bytes).err();
                // The page behind the last one may be damaged, and is not touched.
                let goes_on = failed.is_none() && records < most;
                Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
        })?;
        match failed {
            Some(failed) => Err(failed),
            None => Ok(Walked { records, next, is_whole: is_whole && walked.is_some() }),
        }
    }

    /// Reads the tables; `None` if what is to be read is damaged. After a panic within redb the file is opened again if need
    /// be.
    fn read<T>(&mut self, work: impl FnOnce(&Content) -> Result<T, Fault>) -> Result<Option<T>, LogError> {
        let format = self.format;
        let work = |read: &ReadTransaction| work(&Content::open(read, format)?);
        match self.store()?.read("cannot read the log", work) {
            Ok(done) => Ok(Some(done)),
            Err(LogError::Damaged { .. }) => {
                let is_usable =
                    self.store()?.read("cannot read the log", |read| Ok(read.open_table(META)?.len()?));
                if is_usable.is_err() {
                    self.reopen()?;
                }
                Ok(None)
            }
            Err(failed) => Err(failed),
        }
    }
}

fn cannot_read(path: &Path, error: std::io::Error) -> LogError {
    LogError::caused(format_args!("cannot read {}", path.display()), error)
}
