//! Snapshots of shards in files of this machine: a restart reads the log from there on, and not from its beginning.
//!
//! ```text
//!   "clade-ss" | format (u32) | CRC-32 of all that follows (u32) | Header | ShardSnapshot     (MessagePack)
//! ```
//!
//! A snapshot is a cache. One that is damaged, too old, of another version of clade or of other topics is told of and
//! left alone, and the shard is rebuilt from the log; so the format needs no migration.

mod file;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::record::{ProgressRecord, Topic};
use crate::shard::{Shard, SnapshotError};

/// A directory with one snapshot a partition.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
    every: Duration,
    oldest: Duration,
}

/// Where in the log a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Up to where the inputs had been read.
    pub progress: ProgressRecord,
    /// Where the output stood. A read replica has none, and what it has concluded may not be committed: only another read
    /// replica can go on from there.
    pub output: Option<Output>,
}

/// Where a processor's output stood: the next offsets to read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Of `classifications`.
    pub classifications: u64,
    /// Of `progress`.
    pub progress: u64,
}

/// A snapshot as it was found, its shard still in words.
pub struct Found {
    header: Header,
    body: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The version of clade that took it: another may conclude otherwise.
    clade: String,
    /// When, in milliseconds since the Unix epoch.
    taken: u64,
    position: Position,
}

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It was written by another version of clade.
    #[error("it was taken by clade {0}, and this is {CLADE}")]
    OtherVersion(String),
    /// Deletions that came after it may be forgotten by now.
    #[error("it is {age} h old, and after {limit} h the log may have forgotten what was deleted since")]
    TooOld {
        /// Its age, in hours.
        age: u64,
        /// The most, in hours.
        limit: u64,
    },
    /// It says what a read replica has concluded, not what is committed.
    #[error("it was taken by a read replica, which writes nothing: give each process a directory of its own")]
    OfReplica,
    /// It is of other topics than these.
    #[error("it is not of these topics: {0}")]
    OtherLog(&'static str),
}

impl From<SnapshotError> for Unusable {
    fn from(error: SnapshotError) -> Self {
        Self::Damaged(error.to_string())
    }
}

const CLADE: &str = env!("CARGO_PKG_VERSION");

/// How old a snapshot may be where deletions can be read for so long: half of that, so that whoever begins to read there
/// has time to reach the end before one is gone.
fn oldest(deletions_kept: Duration) -> Duration {
    deletions_kept / 2
}

/// For so long a compacted topic that is as `topics/` says keeps a tombstone.
fn deletions_kept() -> Duration {
    let kept = [Topic::Images, Topic::Tags, Topic::Catalog, Topic::Classifications].map(Topic::retention_ms);
    Duration::from_millis(kept.into_iter().min().unwrap_or(0).unsigned_abs())
}

impl Snapshots {
    /// Snapshots in `dir`, which is made when the first is written; one a partition every so often.
    pub fn new(dir: impl Into<PathBuf>, every: Duration) -> Self {
        Self { dir: dir.into(), every, oldest: oldest(deletions_kept()) }
    }

    /// For topics that forget deletions earlier than `topics/` says, or later: what is older than half of the time for
    /// which they are kept is discarded.
    #[must_use]
    pub fn on_topics_that_keep_deletions_for(self, kept: Duration) -> Self {
        Self { oldest: oldest(kept), ..self }
    }

    /// How often one is taken of a partition in which anything changes.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// The snapshot of a partition, if there is one.
    pub fn find(&self, partition: u16) -> Result<Option<Found>, Unusable> {
        let Some(content) = file::read(&self.path(partition))? else { return Ok(None) };
        let mut rest = content.as_slice();
        let header: Header =
            rmp_serde::from_read(&mut rest).map_err(|error| Unusable::Damaged(error.to_string()))?;
        if header.clade != CLADE {
            return Err(Unusable::OtherVersion(header.clade));
        }
        let age = now().saturating_sub(header.taken);
        if u128::from(age) >= self.oldest.as_millis() {
            let hours = |time: Duration| time.as_secs() / 3600;
            let age = hours(Duration::from_millis(age));
            return Err(Unusable::TooOld { age, limit: hours(self.oldest) });
        }
        let at = content.len() - rest.len();
        let mut body = content;
        body.drain(..at);
        Ok(Some(Found { header, body }))
    }

    /// Replaces the partition's snapshot.
    pub fn put(&self, partition: u16, position: Position, shard: &Shard) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let header = Header { clade: CLADE.to_owned(), taken: now(), position };
        file::write(&self.path(partition), |content| {
            let mut serializer = rmp_serde::Serializer::new(content).with_struct_map();
            header.serialize(&mut serializer)?;
            shard.snapshot().serialize(&mut serializer)
        })
    }

    fn path(&self, partition: u16) -> PathBuf {
        self.dir.join(format!("partition-{partition}.snapshot"))
    }
}

impl Found {
    /// Where it was taken.
    pub fn position(&self) -> Position {
        self.header.position
    }

    /// The shard, for a log whose last committed progress is `committed`.
    pub fn shard(self, committed: &ProgressRecord) -> Result<Shard, Unusable> {
        let taken = self.header.position.progress;
        if taken.lineage != committed.lineage {
            return Err(Unusable::OtherLog("they were made anew since"));
        }
        if taken.partition != committed.partition || taken.partitions != committed.partitions {
            return Err(Unusable::OtherLog("it is of another partition"));
        }
        if taken.sequence > committed.sequence {
            return Err(Unusable::OtherLog("it is ahead of what is committed"));
        }
        if !committed.continues(&taken) {
            return Err(Unusable::OtherLog(
                "the log has another history since, as after a restore from a backup",
            ));
        }
        let snapshot =
            rmp_serde::from_slice(&self.body).map_err(|error| Unusable::Damaged(error.to_string()))?;
        Ok(Shard::from_snapshot(snapshot)?)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
