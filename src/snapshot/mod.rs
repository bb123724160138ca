//! Keeps snapshots of shards in local files: a restart reads the log from there on, and not from its beginning.
//!
//! ```text
//!   "clade-ss" | format (u32) | CRC-32 of all that follows (u32) | Header | ShardSnapshot     (MessagePack)
//! ```
//!
//! A snapshot is a cache. One that is damaged, too old, of another version of clade or of other topics is logged and
//! ignored, and the shard is rebuilt from the log. So the format needs no migration.

mod file;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::record::{ProgressRecord, Topic};
use crate::shard::{Shard, ShardSnapshot, SnapshotError};

/// A directory with one snapshot per partition.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
    every: Duration,
    oldest: Duration,
}

/// The position in the log at which a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The offsets up to which the inputs had been read.
    pub progress: ProgressRecord,
    /// The position of the output. A snapshot of a read replica has none, since its conclusions may not be committed:
    /// only another read replica can continue from it.
    pub output: Option<Output>,
}

/// The position of a processor's output: the next offsets to read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The offset in `classifications`.
    pub classifications: u64,
    /// The offset in `progress`.
    pub progress: u64,
}

/// A snapshot as it was found, with its shard not decoded yet.
pub struct Found {
    header: Header,
    body: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The version of clade that took it: another version may conclude otherwise.
    clade: String,
    /// The time at which it was taken, in milliseconds since the Unix epoch.
    taken: u64,
    position: Position,
}

/// A reason why a snapshot is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The checksum or the content is wrong.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It was written by another version of clade.
    #[error("it was taken by clade {0}, and this is {CLADE}")]
    OtherVersion(String),
    /// It is so old that later tombstones may be gone by now.
    #[error("it is {age} h old, and after {limit} h the log may have forgotten what was deleted since")]
    TooOld {
        /// The age in hours.
        age: u64,
        /// The limit in hours.
        limit: u64,
    },
    /// It contains conclusions of a read replica, which may not be committed.
    #[error("it was taken by a read replica, which writes nothing: give each process a directory of its own")]
    OfReplica,
    /// It was taken from other topics.
    #[error("it is not of these topics: {0}")]
    OtherLog(&'static str),
}

impl From<SnapshotError> for Unusable {
    fn from(error: SnapshotError) -> Self {
        Self::Damaged(error.to_string())
    }
}

const CLADE: &str = env!("CARGO_PKG_VERSION");

/// The maximum age of a snapshot if tombstones are kept for this time: half of it, so that a reader that starts there
/// has time to reach the end before one is gone.
fn oldest(deletions_kept: Duration) -> Duration {
    deletions_kept / 2
}

/// The depth of lists and maps in one another, at most. Those of a snapshot are ten deep.
const DEEPEST: usize = 64;

/// The time for which a compacted topic with the settings in `topics/` keeps a tombstone.
fn deletions_kept() -> Duration {
    let kept = [Topic::Images, Topic::Tags, Topic::Catalog, Topic::Classifications].map(Topic::retention_ms);
    Duration::from_millis(kept.into_iter().min().unwrap_or(0).unsigned_abs())
}

impl Snapshots {
    /// Returns snapshots in `dir`, which is created at the first write; one per partition in each interval.
    pub fn new(dir: impl Into<PathBuf>, every: Duration) -> Self {
        Self { dir: dir.into(), every, oldest: oldest(deletions_kept()) }
    }

    /// Sets the time for which the topics keep tombstones, if it differs from `topics/`. Snapshots older than half of
    /// it are discarded.
    #[must_use]
    pub fn on_topics_that_keep_deletions_for(self, kept: Duration) -> Self {
        Self { oldest: oldest(kept), ..self }
    }

    /// The interval of snapshots of a partition that changes.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Finds the snapshot of a partition, if there is one.
    pub fn find(&self, partition: u16) -> Result<Option<Found>, Unusable> {
        let Some(content) = file::read(&self.path(partition))? else { return Ok(None) };
        let mut rest = content.as_slice();
        let mut decoder = rmp_serde::Deserializer::new(&mut rest);
        decoder.set_max_depth(DEEPEST);
        let header =
            Header::deserialize(&mut decoder).map_err(|error| Unusable::Damaged(error.to_string()))?;
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
    /// The position at which it was taken.
    pub fn position(&self) -> Position {
        self.header.position
    }

    /// Decodes the shard, for a log whose last committed progress is `committed`.
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
        let snapshot = decode(&self.body).map_err(|error| Unusable::Damaged(error.to_string()))?;
        Ok(Shard::from_snapshot(snapshot)?)
    }
}

/// Decodes a shard behind its header. What is nested more deeply than anything that clade writes is an error: a stack would
/// end before rmp-serde's own bound.
pub fn decode(bytes: &[u8]) -> Result<ShardSnapshot, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(DEEPEST);
    ShardSnapshot::deserialize(&mut decoder)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
