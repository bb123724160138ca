//! Decides when a processor takes a snapshot, and makes sure that the snapshot can be trusted.

use std::time::{Duration, Instant};

use super::{Processor, ProcessorError};
use crate::record::{ProgressRecord, Topic, encode};
use crate::shard::Shard;
use crate::snapshot::{Output, Position, Snapshots};
use crate::telemetry::Metrics;

/// Age after which a snapshot is replaced even if little has changed: it must not become too old.
const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The changes since the last snapshot of a partition.
pub(super) struct Unsaved {
    records: usize,
    /// The number of images in the partition.
    images: usize,
    since: Instant,
}

impl Unsaved {
    pub(super) fn new(records: usize, images: usize) -> Self {
        Self { records, images, since: Instant::now() }
    }

    pub(super) fn add(&mut self, records: usize, images: usize) {
        self.records += records;
        self.images = images;
    }

    pub(super) fn images(&self) -> usize {
        self.images
    }

    /// Returns `true` if a snapshot is worth its cost. Reading a hundredth of the records again costs less.
    pub(super) fn is_much(&self) -> bool {
        self.records > 0 && self.records >= self.images / 100
    }

    pub(super) fn is_due(&self, snapshots: &Snapshots) -> bool {
        let age = self.since.elapsed();
        age >= snapshots.every() && self.is_much() || age >= REFRESH
    }

    /// Waits for the next interval.
    pub(super) fn postpone(&mut self) {
        self.since = Instant::now();
    }

    /// Writes a snapshot. A failure is logged and harms nothing.
    pub(super) fn save(
        &mut self,
        snapshots: &Snapshots,
        partition: u16,
        position: Position,
        shard: &Shard,
        metrics: &Metrics,
    ) {
        match snapshots.put(partition, position, shard) {
            Ok(()) => metrics.snapshots.inc(),
            Err(error) => tracing::warn!(partition, %error, "cannot write a snapshot"),
        }
        *self = Self::new(0, self.images);
    }
}

impl Processor {
    /// Takes a snapshot of the committed state, if snapshots are enabled and `is_wanted`.
    pub(super) fn snapshot_if(
        &mut self,
        is_wanted: impl FnOnce(&Unsaved, &Snapshots) -> bool,
    ) -> Result<(), ProcessorError> {
        let wanted = self.options.snapshots.as_ref().filter(|snapshots| is_wanted(&self.unsaved, snapshots));
        let Some(snapshots) = wanted.cloned() else { return Ok(()) };
        self.finish()?;
        let output = Output {
            classifications: self.log.end(self.output(Topic::Classifications))?,
            progress: self.log.end(self.output(Topic::Progress))?,
        };
        let position = Position { progress: self.committed, output: Some(output) };
        // Another processor may just have taken over the partition and written records before these ends that this one
        // does not know. Then this commit fails.
        self.sequence += 1;
        let progress = ProgressRecord { sequence: self.sequence, ..self.committed };
        self.writer
            .append(vec![(self.output(Topic::Progress), encode(self.partition.to_string(), &progress)?)])?;
        self.committed = progress;
        let Self { unsaved, state, options, partition, .. } = self;
        unsaved.save(&snapshots, *partition, position, state.shard(), &options.metrics);
        Ok(())
    }
}
