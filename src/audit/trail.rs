//! Writes a trail: one directory, one writer.
//!
//! Entries are collected in a batch, then written and synced together. A crash can cut the last batch only. A trail is
//! continued from what its last segment contains: a last line without its line feed is cut off, and the offsets in the
//! remaining lines give the place to read on. A complete line that is wrong is damage, and nothing is written behind
//! it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::archive::{Directory, Names};
use super::chain::{self, FORMAT, Footer, GENESIS, Header, SourceOffset};
use super::entry::Entry;
use super::events::Known;
use super::head::{Head, SignedHead};
use super::key::SigningKey;
use super::lock::Lock;
use super::{AuditError, events};
use crate::log::{Offset, Stored, TopicPartition};
use crate::oci::{Digest, Timestamp};

/// The size and age limits of segments, and the key of their heads.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Size in bytes at which a segment is closed.
    pub segment_bytes: u64,
    /// Age at which a segment is closed.
    pub segment_age: Duration,
    /// The key that signs heads.
    pub signing_key: Option<SigningKey>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, segment_age: Duration::from_secs(24 * 60 * 60), signing_key: None }
    }
}

/// A directory that is open for writing.
pub struct Trail {
    pub(super) dir: Directory,
    pub(super) layout: Layout,
    _lock: Lock,
    /// The segment being written; `None` until there is an entry for it.
    pub(super) open: Option<Open>,
    pub(super) next: u64,
    pub(super) head: Digest,
    pub(super) offsets: BTreeMap<TopicPartition, (Offset, Timestamp)>,
    pub(super) known: Known,
    /// The number of segments that this process has closed.
    closed: u64,
}

/// The newest segment.
pub(super) struct Open {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) first: u64,
    pub(super) opened: Timestamp,
    /// The size of the file in bytes.
    pub(super) bytes: u64,
    /// The entries that are not in the file yet.
    pub(super) batch: Vec<u8>,
    pub(super) entries: u64,
}

impl Trail {
    /// Opens a directory, or creates it, and reads its last segment. A second process that wants the directory shows
    /// `command`.
    pub fn open(dir: PathBuf, layout: Layout, command: &str) -> Result<Self, AuditError> {
        std::fs::create_dir_all(&dir).map_err(|error| AuditError::file("make", &dir, &error))?;
        let lock = Lock::take(&dir, command)?;
        let dir = Directory(dir);
        let mut trail = Self {
            dir,
            layout,
            _lock: lock,
            open: None,
            next: 1,
            head: GENESIS,
            offsets: BTreeMap::new(),
            known: Known::default(),
            closed: 0,
        };
        trail.recover()?;
        Ok(trail)
    }

    /// The last record of each partition that has an entry, and the time at which it was appended.
    pub fn offsets(&self) -> &BTreeMap<TopicPartition, (Offset, Timestamp)> {
        &self.offsets
    }

    /// The number of the last entry, and the hash that the next line follows.
    pub fn head(&self) -> (u64, Digest) {
        (self.next - 1, self.head)
    }

    /// The directory.
    pub fn dir(&self) -> &Directory {
        &self.dir
    }

    /// Writes the entry for a record; durable after [`Trail::flush`].
    pub fn record(&mut self, of: TopicPartition, stored: &Stored, now: Timestamp) -> Result<(), AuditError> {
        if let Some((last, _)) = self.offsets.get(&of)
            && *last >= stored.offset
        {
            let offset = stored.offset;
            return Err(AuditError::Damaged(format!(
                "{of} gave the record {offset} after {last}: the topic was made anew meanwhile; start the auditor again"
            )));
        }
        // The header of a new segment has the state before this record, and is durable before the record: first the
        // header, then the entry.
        self.make_room(now)?;
        let entry = self.known.entry(of.topic, of.partition, stored);
        self.offsets.insert(of, (stored.offset, entry.time));
        self.write(entry)
    }

    /// Handles a topic that was created again: the offsets read so far no longer count.
    pub fn reset(&mut self, of: TopicPartition, end: Offset, now: Timestamp) -> Result<(), AuditError> {
        self.make_room(now)?;
        let Some((last, time)) = self.offsets.remove(&of) else { return Ok(()) };
        let source = SourceOffset { topic: of.topic, partition: of.partition, last, time };
        self.write(events::reset(now, source, end))
    }

    /// Writes one of the auditor's own entries.
    pub(super) fn append(&mut self, entry: Entry, now: Timestamp) -> Result<(), AuditError> {
        self.make_room(now)?;
        self.write(entry)
    }

    /// Closes a full segment, and begins another if none is open.
    fn make_room(&mut self, now: Timestamp) -> Result<(), AuditError> {
        let bytes = |open: &Open| open.bytes + open.batch.len() as u64;
        if self.open.as_ref().is_some_and(|open| open.entries > 0 && bytes(open) >= self.layout.segment_bytes)
        {
            self.close(now)?;
        }
        if self.open.is_none() {
            self.open = Some(self.begin(now)?);
        }
        Ok(())
    }

    fn write(&mut self, mut entry: Entry) -> Result<(), AuditError> {
        entry.seq = self.next;
        entry.prev = self.head;
        let Some(open) = &mut self.open else { return Ok(()) };
        self.head = seal(&entry, &mut open.batch)?;
        open.entries += 1;
        self.next += 1;
        Ok(())
    }

    /// The number of bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.batch.len())
    }

    /// Makes everything durable. After an error the caller must not write any more, as the content of the file is
    /// unknown.
    pub fn flush(&mut self) -> Result<(), AuditError> {
        let Some(open) = self.open.as_mut().filter(|open| !open.batch.is_empty()) else { return Ok(()) };
        let mut write = || {
            open.file.write_all(&open.batch)?;
            open.file.sync_data()
        };
        write().map_err(|error| AuditError::file("write", &self.dir.path().join(&open.name), &error))?;
        open.bytes += open.batch.len() as u64;
        open.batch.clear();
        Ok(())
    }

    /// Closes the segment if it is too old. Returns `true` if it did.
    pub fn close_if_old(&mut self, now: Timestamp) -> Result<bool, AuditError> {
        let age = |open: &Open| now.duration_since(open.opened).unsigned_abs();
        let is_old =
            self.open.as_ref().is_some_and(|open| open.entries > 0 && age(open) >= self.layout.segment_age);
        if is_old {
            self.close(now)?;
        }
        Ok(is_old)
    }

    /// Closes the open segment, if there is one, and writes its head beside it.
    pub fn close(&mut self, now: Timestamp) -> Result<(), AuditError> {
        let offsets = self.source_offsets();
        let Some(open) = &mut self.open else { return Ok(()) };
        let last = self.next - 1;
        let footer = Footer { closed: now, entries: open.entries, last, offsets, prev: self.head };
        self.head = seal(&footer, &mut open.batch)?;
        self.flush()?;
        let Some(open) = self.open.take() else { return Ok(()) };
        self.closed += 1;
        self.write_head(Head::new(open.name, open.first, &footer, self.head))
    }

    /// Returns `true` if the heads of closed segments are signed.
    pub(super) fn is_signed(&self) -> bool {
        self.layout.signing_key.is_some()
    }

    /// The number of segments closed since the trail was opened.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    pub(super) fn write_head(&self, head: Head) -> Result<(), AuditError> {
        let file = Names::head(&head.segment);
        let (segment, last, hash) = (head.segment.clone(), head.last, head.head);
        let head =
            SignedHead::new(head, self.layout.signing_key.as_ref()).map_err(AuditError::Configuration)?;
        self.write_whole(&file, &head.text())?;
        tracing::info!(segment, last, head = %hash, "closed a segment of the audit trail");
        Ok(())
    }

    /// Writes a file that exists with all of its content or not at all.
    fn write_whole(&self, name: &str, content: &[u8]) -> Result<File, AuditError> {
        let path = self.dir.path().join(name);
        let part = self.dir.path().join(format!("{name}.part"));
        let write = || {
            let mut file = File::create(&part)?;
            file.write_all(content)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            Ok(file)
        };
        let file = write().map_err(|error| AuditError::file("write", &path, &error))?;
        self.dir.sync()?;
        Ok(file)
    }

    fn begin(&mut self, now: Timestamp) -> Result<Open, AuditError> {
        let header = Header {
            audit: FORMAT,
            segment: self.next,
            opened: now,
            offsets: self.source_offsets(),
            known: self.known.facts().clone(),
            prev: self.head,
        };
        let mut line = Vec::new();
        self.head = seal(&header, &mut line)?;
        let name = Names::segment(self.next);
        let file = self.write_whole(&name, &line)?;
        let bytes = line.len() as u64;
        Ok(Open { name, file, first: self.next, opened: now, bytes, batch: Vec::new(), entries: 0 })
    }

    fn source_offsets(&self) -> Vec<SourceOffset> {
        let offset = |(of, (last, time)): (&TopicPartition, &(Offset, Timestamp))| SourceOffset {
            topic: of.topic,
            partition: of.partition,
            last: *last,
            time: *time,
        };
        self.offsets.iter().map(offset).collect()
    }
}

fn seal(content: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<Digest, AuditError> {
    chain::seal(content, out)
        .map_err(|error| AuditError::File(format!("cannot write an entry as JSON: {error}")))
}
