//! Checks a whole log: each record, the number of records of each partition, and each page of the file.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use redb::Database;

use super::block::Opener;
use super::content::Content;
use super::extent::Extent;
use super::meta::{EMPTY, FILE, cannot_open, found};
use super::overlay::{Overlay, Unreadable};
use super::store::Store;
use super::walk;
use super::{history, lock};
use crate::log::{LogError, Offset, TopicPartition};

/// Damages that are listed, at most. Of a file that is all wrong nobody reads more.
const LISTED: usize = 100;
/// Size of redb's page cache. Each page is read once or twice.
const CACHE_BYTES: usize = 64 << 20;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The partitions that have or had records.
    pub partitions: Vec<CheckedPartition>,
    /// The damages with their places. The file is whole if there are none.
    pub damages: Vec<Damage>,
    /// The number of damages that are not listed.
    pub more: u64,
}

/// The state of a partition.
#[derive(Debug)]
pub struct CheckedPartition {
    /// The partition.
    pub of: TopicPartition,
    /// The number of records that are as they were written.
    pub records: u64,
    /// The number of those that an older version has written without a checksum: a change of their content is not
    /// noticed.
    pub without_checksum: u64,
    /// The offset of the next record.
    pub end: Offset,
    /// The number of damages.
    pub damages: u64,
}

/// Something that is not as it was written.
#[derive(Debug)]
pub struct Damage {
    /// The partition, if the damage lies in one.
    pub partition: Option<TopicPartition>,
    /// The record, if it is a single one.
    pub offset: Option<Offset>,
    /// The problem.
    pub problem: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.partition, self.offset) {
            (Some(partition), Some(offset)) => write!(f, "{partition}@{offset}: {}", self.problem),
            (Some(partition), None) => write!(f, "{partition}: {}", self.problem),
            _ => f.write_str(&self.problem),
        }
    }
}

impl Checked {
    /// The number of all damages.
    pub fn many(&self) -> u64 {
        self.damages.len() as u64 + self.more
    }

    fn add(&mut self, partition: Option<TopicPartition>, offset: Option<Offset>, problem: String) {
        if self.damages.len() < LISTED {
            self.damages.push(Damage { partition, offset, problem });
        } else {
            self.more += 1;
        }
    }

    fn note_unreadable(&mut self, unreadable: &Unreadable) {
        if let Some((pages, first)) = unreadable.found() {
            self.add(
                None,
                None,
                format!("the disk does not give back {pages} pages of 4096 bytes, the first of them at byte {first}"),
            );
        }
    }

    /// Notes what a failure says about the file. Any other failure ends the check.
    fn note(&mut self, partition: Option<TopicPartition>, failed: LogError) -> Result<(), LogError> {
        let LogError::Damaged { problem, .. } = failed else { return Err(failed) };
        self.add(partition, None, problem);
        Ok(())
    }
}

/// Checks the log in `dir`, without changing its file. `told` is called with the part that is done, of the whole. Blocks;
/// the log is locked meanwhile.
pub fn check(
    dir: &Path,
    command: &str,
    told: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Checked, LogError> {
    check_file(dir, &dir.join(FILE), Some(command), told)
}

/// The same for a file of another name. Without a command, no other is told who has it.
pub(super) fn check_file(
    dir: &Path,
    path: &Path,
    command: Option<&str>,
    told: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Checked, LogError> {
    let cannot_read =
        |error: std::io::Error| LogError::caused(format_args!("cannot read {}", path.display()), error);
    let bytes = std::fs::metadata(path).map_err(cannot_read)?.len();
    let mut checked = Checked { bytes, ..Checked::default() };
    if bytes == 0 {
        checked.add(None, None, EMPTY.to_owned());
        return Ok(checked);
    }
    // Every page is read for its records, and once more for redb's own checksums.
    let whole = bytes * 2;
    let told = Box::new(move |read: u64| told(read.min(whole), whole));
    let unreadable = Unreadable::default();
    let overlay = Overlay::open(path, told, unreadable.clone()).map_err(cannot_read)?;
    let opened = Store::open(
        path,
        || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(overlay),
        |error| cannot_open(dir, path, error),
    );
    let mut store = match opened {
        Ok(store) => store,
        Err(failed) => {
            checked.note_unreadable(&unreadable);
            checked.note(None, failed)?;
            return Ok(checked);
        }
    };
    let _owner = command.map(|command| lock::Owner::note(dir, command));
    let extents = found(&store, None).and_then(|found| {
        store.read("cannot read the log", |read| {
            let extents = Content::open(read, found.format)?.extents()?;
            history::get_beside(read, &extents)?;
            Ok((found.format, extents))
        })
    });
    match extents {
        Ok((format, extents)) => {
            for (of, extent) in extents {
                check_partition(&store, format, (of, extent), &mut checked)?;
            }
        }
        Err(failed) => checked.note(None, failed)?,
    }
    match store.check_integrity() {
        Ok(true) => {}
        Ok(false) => checked.add(
            None,
            None,
            "redb's own check finds pages that are not as they were written; those that records stand on are named above"
                .to_owned(),
        ),
        Err(failed) => checked.note(None, failed)?,
    }
    checked.note_unreadable(&unreadable);
    Ok(checked)
}

fn check_partition(
    store: &Store,
    format: u64,
    (of, extent): (TopicPartition, Extent),
    checked: &mut Checked,
) -> Result<(), LogError> {
    let before = checked.many();
    let (mut records, mut without_checksum, mut blocks, mut unreadable) = (0, 0, 0, 0);
    let mut opener = Opener::default();
    let walked = store.read(format_args!("cannot read {of}"), |read| {
        walk::blocks(
            &Content::open(read, format)?.blocks,
            of,
            0..extent.end,
            |place @ (.., offset), bytes| {
                blocks += 1;
                let read = opener.open(place, bytes).and_then(|block| {
                    block.entries().try_for_each(|entry| entry?.1.record().map(drop))?;
                    let is_below = block.last < extent.end;
                    is_below.then_some(block).ok_or("it has records beyond the end of the partition")
                });
                match read {
                    Ok(block) => {
                        records += u64::from(block.count);
                        without_checksum += u64::from(!block.has_checksum);
                    }
                    Err(problem) => {
                        unreadable += 1;
                        checked.add(Some(of), Some(offset), problem.to_owned());
                    }
                }
                Ok(ControlFlow::Continue(()))
            },
        )
    });
    match walked {
        Err(failed) => checked.note(Some(of), failed)?,
        // Nobody knows how many records an unreadable block has.
        Ok(()) if blocks != extent.blocks || records != extent.live && unreadable == 0 => checked.add(
            Some(of),
            None,
            format!(
                "{records} records in {blocks} blocks are found where {} in {} were written and not removed",
                extent.live, extent.blocks
            ),
        ),
        Ok(()) => {}
    }
    let damages = checked.many() - before;
    checked.partitions.push(CheckedPartition { of, records, without_checksum, end: extent.end, damages });
    Ok(())
}
