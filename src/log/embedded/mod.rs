//! Keeps the log in one file on this machine, on redb: durable, for one process at a time.
//!
//! ```text
//!   append ─► (bounded queue) ─► writer thread: everything queued in one transaction, one fsync ─► offsets
//!   read   ─► a snapshot of the last commit; never waits for a writer
//! ```
//!
//! Records stand in blocks: those of one partition that one transaction appends, compressed together, with one checksum.

mod backup;
mod birth;
pub mod block;
mod check;
mod compaction;
mod content;
mod due;
pub mod entry;
mod extent;
mod fault;
pub mod frame;
mod guard;
mod history;
mod lock;
mod meta;
mod old;
mod open;
mod overlay;
mod packing;
mod recent;
mod repair;
mod rewrite;
mod store;
mod tables;
mod upgrade;
mod walk;
mod writer;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use backup::{Restored, Restoring};
pub use check::{Checked, CheckedPartition, Damage, check};
pub use open::Options;
pub use repair::{Salvage, Salvaged, salvage};

use super::positional::{Positional, PositionalReader, Seen};
use super::{
    Copies, Fetched, Log, LogError, Offset, ReadLimit, Reader, Stored, TakePiece, TopicPartition, Writer,
};
use crate::record::Topic;
use store::Store;
use tables::{BLOCKS, EXTENTS};
use walk::{bad_block, walk};
use writer::{EmbeddedWriter, Request};

/// The embedded log.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    partitions: u16,
    queue: Option<SyncSender<Request>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The state that readers and the writer thread share.
pub(super) struct Shared {
    /// Dropped first: a process that finds the database unlocked writes its own owner file.
    _owner: lock::Owner,
    store: Store,
    /// The committed end of every partition that has one. Held for a moment only, never over I/O.
    ends: Mutex<HashMap<TopicPartition, Offset>>,
    committed: Condvar,
    /// The newest epoch of every writer's name.
    epochs: Mutex<HashMap<String, u64>>,
    recent: recent::Recent,
}

impl EmbeddedLog {
    /// Opens the log in `dir`, or creates it.
    pub fn open(dir: &Path, options: Options) -> Result<Self, LogError> {
        open::open(dir, options)
    }

    /// Returns `true` if `dir` holds a log.
    pub fn exists(dir: &Path) -> bool {
        dir.join(meta::FILE).exists()
    }

    /// Returns `true` if nothing was ever appended.
    pub fn is_empty(&self) -> bool {
        self.shared.ends().is_empty()
    }

    /// Deletes all records. The caller must not have opened a reader or a writer yet.
    pub fn clear(&self) -> Result<(), LogError> {
        self.shared.store.write("cannot empty the log", |transaction| {
            transaction.delete_table(BLOCKS)?;
            transaction.delete_table(EXTENTS)?;
            transaction.open_table(BLOCKS)?;
            transaction.open_table(EXTENTS)?;
            history::put(transaction, history::BEGINNING)
        })?;
        self.shared.ends().clear();
        Ok(())
    }

    /// Compacts every keyed topic and drops records beyond their retention, now. The log does so by itself when a
    /// partition has grown well beyond its keys.
    pub fn compact(&self) -> Result<(), LogError> {
        let (reply, done) = std::sync::mpsc::sync_channel(1);
        let queue = self.queue.as_ref().ok_or(LogError::Closed)?;
        queue.send(Request::Compact { reply }).map_err(|_| LogError::Closed)?;
        done.recv().map_err(|_| LogError::Closed)?
    }
}

impl Shared {
    fn end(&self, of: TopicPartition) -> Offset {
        self.ends().get(&of).copied().unwrap_or(0)
    }

    fn extent(&self, of: TopicPartition) -> Result<extent::Extent, LogError> {
        self.store.read(format_args!("cannot read {of}"), |read| extent::get(&read.open_table(EXTENTS)?, of))
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, HashMap<TopicPartition, Offset>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for EmbeddedLog {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        let epoch = {
            let mut epochs = self.shared.epochs();
            let epoch = epochs.entry(name.to_owned()).or_default();
            *epoch += 1;
            *epoch
        };
        let queue = self.queue.clone().ok_or(LogError::Closed)?;
        Ok(Box::new(EmbeddedWriter { name: name.to_owned(), epoch, queue, answer: None }))
    }

    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(PositionalReader::new(Arc::clone(&self.shared), topic, from)?))
    }

    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        if offset >= self.shared.end(from) {
            return Ok(None);
        }
        self.shared.store.read(format_args!("cannot read {from}"), |read| {
            walk::one(&read.open_table(BLOCKS)?, from, offset, &self.shared.recent)
        })
    }

    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        Ok(self.shared.end(of))
    }

    /// Scans from the beginning: the clock may have been set back, so a binary search could be wrong.
    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        let end = self.shared.end(of);
        self.shared.store.read(format_args!("cannot read {of}"), |read| {
            let mut found = end;
            walk(&read.open_table(BLOCKS)?, of, 0..end, |offset, entry| {
                if entry.timestamp < timestamp {
                    return Ok(ControlFlow::Continue(()));
                }
                found = offset;
                Ok(ControlFlow::Break(()))
            })?;
            Ok(found)
        })
    }

    fn complete_since(&self) -> Result<i64, LogError> {
        let found = self.shared.store.read("cannot read the log", history::get)?;
        let lost =
            || LogError::storage("the note on what was removed from the log is gone: start clade again");
        found.map(|history| history.since).ok_or_else(lost)
    }

    fn copies(&self) -> Option<&dyn Copies> {
        Some(self)
    }
}

impl Copies for EmbeddedLog {
    fn copy(&self, to: TakePiece<'_>) -> Result<(), LogError> {
        let of = meta::Found { format: content::FORMAT, partitions: self.partitions };
        backup::copy(&self.shared.store, &of, to)
    }
}

impl Positional for Arc<Shared> {
    fn read_at(&self, from: TopicPartition, offset: Offset, limit: ReadLimit) -> Result<Fetched, LogError> {
        let end = self.end(from);
        self.store.read(format_args!("cannot read {from}"), |read| {
            let mut fetched = Fetched {
                partition: from.partition,
                records: Vec::new(),
                next: end.max(offset),
                at_end: true,
            };
            let mut bytes = 0;
            walk(&read.open_table(BLOCKS)?, from, offset..end, |offset, entry| {
                let record = entry.record().map_err(|problem| bad_block(from, offset, problem))?;
                bytes += record.bytes();
                fetched.records.push(Stored { offset, timestamp: entry.timestamp, record });
                if fetched.records.len() < limit.records && bytes < limit.bytes {
                    return Ok(ControlFlow::Continue(()));
                }
                fetched.next = offset + 1;
                fetched.at_end = fetched.next >= end;
                Ok(ControlFlow::Break(()))
            })?;
            Ok(fetched)
        })
    }

    fn removed(&self, of: TopicPartition) -> Result<Option<u64>, LogError> {
        Ok(Some(self.extent(of)?.removed()))
    }

    fn is_compared(&self, of: TopicPartition, next: Offset, seen: &Seen) -> Result<bool, LogError> {
        let extent = self.extent(of)?;
        if extent.removed() != seen.removed {
            // A compaction has removed records meanwhile, perhaps before the reader came to them.
            return Ok(true);
        }
        if extent.end != next {
            return Ok(false);
        }
        if extent.live == seen.records {
            return Ok(true);
        }
        let fault = content::missing(of, extent.live, seen.records);
        Err(fault.told(self.store.path(), format_args!("cannot read {of}")))
    }

    fn wait(&self, for_any: &[(TopicPartition, Offset)], timeout: Duration) {
        let is_short = |ends: &mut HashMap<TopicPartition, Offset>| {
            !for_any.iter().any(|(of, offset)| ends.get(of).is_some_and(|end| end > offset))
        };
        let _ = self.committed.wait_timeout_while(self.ends(), timeout, is_short);
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        // The thread ends when the last sender is gone; a writer that outlives the log gets `Closed`.
        if let Some(queue) = self.queue.take() {
            let _ = queue.send(Request::Close);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
