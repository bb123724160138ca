//! Entries of the auditor itself. They have no record behind them.

use serde::{Deserialize, Serialize};

use crate::audit::chain::SourceOffset;
use crate::audit::entry::{Entry, Facts};
use crate::log::Offset;
use crate::oci::{Digest, Timestamp};

/// Segments beyond the retention are about to be deleted.
pub const PRUNED: &str = "audit.pruned";
/// A topic was created again: its present records were not read before, whatever their offsets.
pub const RESET: &str = "audit.reset";

/// The `from` of [`PRUNED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The deleted segments, oldest first.
    pub segments: Vec<PrunedSegment>,
}

/// A deleted segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedSegment {
    /// The name of the file.
    pub segment: String,
    /// The number of the segment's last entry.
    pub last: u64,
    /// The hash of the segment's last line.
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

/// Returns the entry about deleted segments. It must be durable before anything is deleted.
pub fn pruned(time: Timestamp, segments: Vec<PrunedSegment>, keep_days: u64) -> Entry {
    Entry {
        from: Facts::of(&Pruned { segments }),
        why: Facts::of(&WhyPruned { keep_days }),
        ..Entry::new(PRUNED, time)
    }
}

/// Returns the entry about a topic that was created again. `end` is the offset after the last record that the partition
/// has now.
pub fn reset(time: Timestamp, of: SourceOffset, end: Offset) -> Entry {
    let message = "the topic does not have the record that was read last: it was made anew, and is read from its beginning";
    Entry { from: Facts::of(&of), why: Facts::of(&WhyReset { end, message }), ..Entry::new(RESET, time) }
}
