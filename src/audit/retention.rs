//! How long segments are kept.

use std::time::Duration;

use super::archive::{Archive as _, Directory, Names};
use super::events::PrunedSegment;
use super::{AuditError, SignedHead};
use crate::oci::Timestamp;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    /// Closed segments that are older are deleted.
    pub(super) days: u64,
}

impl Keep {
    /// The closed segments that were closed before that, oldest first, without a gap. `is_safe` says whether one may go.
    pub(super) fn too_old(
        self,
        dir: &Directory,
        now: Timestamp,
        is_safe: impl Fn(&str) -> bool,
    ) -> Result<Vec<PrunedSegment>, AuditError> {
        let age = Duration::from_secs(self.days.saturating_mul(24 * 60 * 60));
        let Ok(before) = now.checked_sub(age) else { return Ok(Vec::new()) };
        let mut old = Vec::new();
        for segment in Names::segments(&dir.names()?) {
            match dir.head(&segment)? {
                Some(SignedHead { head, .. }) if head.closed < before && is_safe(&segment) => {
                    old.push(PrunedSegment { segment, last: head.last, head: head.head });
                }
                // What is left has to be one piece.
                _ => break,
            }
        }
        Ok(old)
    }
}

/// Deletes them, oldest first, so that what is left is one piece at every moment.
pub(super) fn delete(dir: &Directory, segments: &[PrunedSegment]) -> Result<(), AuditError> {
    for PrunedSegment { segment, .. } in segments {
        for name in [segment.clone(), Names::head(segment)] {
            let path = dir.path().join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(AuditError::file("delete", &path, &error));
                }
                _ => {}
            }
        }
    }
    dir.sync()
}
