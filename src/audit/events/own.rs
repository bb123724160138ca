//! What the auditor has to say itself. These entries have no source.

use serde::{Deserialize, Serialize};

use crate::audit::chain::SourceOffset;
use crate::audit::entry::{Entry, Facts};
use crate::log::Offset;
use crate::oci::{Digest, Timestamp};

/// That segments are about to be deleted, since they are older than they are kept.
pub const PRUNED: &str = "audit.pruned";
/// That a topic was made anew: what it has now was not read before, whatever its offsets say.
pub const RESET: &str = "audit.reset";

/// The `from` of [`PRUNED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// What is deleted, oldest first.
    pub segments: Vec<PrunedSegment>,
}

/// A segment that is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedSegment {
    /// Its file.
    pub segment: String,
    /// The number of its last entry.
    pub last: u64,
    /// The hash of its last line.
    pub head: Digest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhyPruned {
    keep_days: u64,
}

#[derive(Serialize)]
struct WhyReset {
    end: Offset,
    message: &'static str,
}

/// The entry that says so; to be written before anything is deleted.
pub fn pruned(time: Timestamp, segments: Vec<PrunedSegment>, keep_days: u64) -> Entry {
    Entry {
        from: Facts::of(&Pruned { segments }),
        why: Facts::of(&WhyPruned { keep_days }),
        ..Entry::new(PRUNED, time)
    }
}

/// The entry that says so; `end` is beyond the last record that the partition has now.
pub fn reset(time: Timestamp, of: SourceOffset, end: Offset) -> Entry {
    let message = "the topic does not have the record that was read last: it was made anew, and is read from its beginning";
    Entry { from: Facts::of(&of), why: Facts::of(&WhyReset { end, message }), ..Entry::new(RESET, time) }
}
