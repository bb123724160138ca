//! The status of each partition of this process, from its worker and from the log, for people, probes and Prometheus.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Offset;
use crate::query::answer::PartitionStatus;
use crate::record::ProgressRecord;

/// The state that a worker reports after each step, and the end that the log reports once a second.
#[derive(Default)]
pub(super) struct Board(Mutex<Told>);

#[derive(Default)]
struct Told {
    restored: bool,
    at_end: bool,
    images: u64,
    read: Option<ProgressRecord>,
    /// The time at which the worker last reported that it was at the end.
    up_to_date: Option<Instant>,
    /// The end of the partition's images, and the time at which the log reported it.
    end: Option<(Offset, Instant)>,
}

/// The log is asked once a second; an answer younger than this counts as present.
const FRESH: Duration = Duration::from_secs(5);

impl Board {
    /// Numbers are valid even after a panic of a thread that wrote them.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_restored(&self) -> bool {
        self.told().restored
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.told().at_end
    }

    pub(super) fn progress(&self) -> Option<ProgressRecord> {
        self.told().read
    }

    /// Reports that the partition was just brought up to date.
    pub(super) fn restored(&self, images: usize) {
        *self.told() = Told {
            restored: true,
            at_end: true,
            images: images as u64,
            up_to_date: Some(Instant::now()),
            ..Told::default()
        };
    }

    /// Reports that answers contain everything up to `read`, whether that is all there is (`at_end`), and the number of
    /// images.
    pub(super) fn tell(&self, read: ProgressRecord, at_end: bool, images: usize) {
        let mut told = self.told();
        told.at_end = at_end;
        told.images = images as u64;
        told.read = Some(read);
        if at_end {
            told.up_to_date = Some(Instant::now());
        }
    }

    /// Reports that the worker has failed, and no other has replaced it yet.
    pub(super) fn failed(&self) {
        let mut told = self.told();
        told.restored = false;
        told.at_end = false;
    }

    /// Reports the end of the partition's images.
    pub(super) fn look(&self, end: Offset) {
        self.told().end = Some((end, Instant::now()));
    }

    pub(super) fn status(&self, partition: u16) -> PartitionStatus {
        let told = self.told();
        let read = told.read.map_or(0, |read| read.images);
        // At the end nothing is behind, whatever markers stand there.
        let behind = told.end.filter(|_| !told.at_end).map_or(0, |(end, _)| end.saturating_sub(read));
        // Without an answer of the log it is unknown whether there is more.
        let heard = told.end.map(|(_, when)| when);
        let true_until = if told.at_end { heard.or(told.up_to_date) } else { told.up_to_date };
        let seconds = |moment: Instant| match moment.elapsed() {
            fresh if told.restored && fresh < FRESH => 0,
            old => old.as_secs(),
        };
        PartitionStatus {
            partition,
            restored: told.restored,
            images: told.images,
            behind_records: behind,
            behind_seconds: true_until.map(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_failed_is_behind_and_who_was_never_up_to_date_is_not_even_that() {
        let board = Board::default();
        assert_eq!(board.status(0).behind_seconds, None);
        board.restored(1);
        board.failed();
        let PartitionStatus { restored, behind_seconds, images, .. } = board.status(0);
        assert!(!restored && behind_seconds.is_some() && images == 1);
    }
}
