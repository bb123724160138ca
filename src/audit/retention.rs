//! Finds and deletes the segments beyond the retention.

use std::time::Duration;

use super::archive::{Archive as _, Directory, Names};
use super::events::PrunedSegment;
use super::{AuditError, SignedHead};
use crate::oci::Timestamp;

/// The retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    /// Days to keep closed segments. Older ones are deleted.
    pub(super) days: u64,
}

impl Keep {
    /// The segments that were closed before the limit, oldest first, without a gap. `is_safe` decides whether one may
    /// be deleted.
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
                // The rest has to stay one piece.
                _ => break,
            }
        }
        Ok(old)
    }
}

/// Deletes the segments, oldest first, so that the rest is one piece at every moment.
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
