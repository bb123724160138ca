//! Takes over a partition: reads the committed state, then every input to its end, then computes the difference.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::input::{Inputs, Refused, Taken, take_in};
use super::traces::Traces;
use super::{Options, Processor, ProcessorError, Results, Step, Unsaved};
use crate::log::{LogError, Offset, SharedLog, TopicPartition, for_each_from};
use crate::oci::Digest;
use crate::record::progress::Lives;
use crate::record::{ClassificationRecord, Life, ProgressRecord, Topic, decode};
use crate::shard::{Change, Shard};
use crate::snapshot::{Found, Position, Unusable};
use crate::telemetry;

/// Time limit of one read.
const LOOK: Duration = Duration::from_millis(100);
/// Time without a record before the end, after which a restore fails: far longer than a broker takes to restart.
const STALLED: Duration = Duration::from_secs(60);

/// The start of a processor.
pub(super) struct Start {
    /// The progress that the last processor of the partition committed; all zero for the first.
    pub(super) committed: ProgressRecord,
    /// The offsets from which the inputs have to be read.
    pub(super) progress: ProgressRecord,
    /// The offset from which its own output has to be read.
    pub(super) classifications: Offset,
    /// The state up to there.
    pub(super) shard: Shard,
}

/// The kind of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// It continues from the committed state.
    Processor,
    /// It commits nothing, so any earlier conclusion serves.
    Replica,
}

/// Starts at the partition's snapshot if that is usable, or else at the beginning of the log.
pub(super) fn start(
    log: &SharedLog,
    partition: u16,
    who: Who,
    options: &Options,
) -> Result<Start, ProcessorError> {
    let discard = |unusable: &Unusable| {
        options.metrics.discarded_snapshots.inc();
        tracing::warn!(
            partition,
            "a snapshot is of no use, so the log is read from its beginning: {unusable}"
        );
    };
    let found = match options.snapshots.as_ref().map_or(Ok(None), |snapshots| snapshots.find(partition)) {
        Ok(Some(found)) if who == Who::Processor && found.position().output.is_none() => {
            Err(Unusable::OfReplica)
        }
        found => found,
    };
    let found = found.unwrap_or_else(|unusable| {
        discard(&unusable);
        None
    });
    let last = last_progress(log, partition, found.as_ref().map(Found::position))?;
    let mut committed = last;
    if who == Who::Processor {
        committed.lives.push(Life { id: fastrand::u64(..1 << 53), from: committed.sequence + 1 });
    }
    let beginning = ProgressRecord { images: 0, tags: 0, catalog: 0, ..committed };
    let start = Start {
        committed,
        progress: beginning,
        classifications: 0,
        shard: Shard::new(partition, committed.partitions),
    };
    let Some(found) = found else { return Ok(start) };
    let position = found.position();
    let shard = match is_within(log, partition, position)? {
        true => found.shard(&last),
        false => Err(Unusable::OtherLog("they end before it")),
    };
    Ok(match shard {
        Ok(shard) => {
            options.metrics.used_snapshots.inc();
            tracing::info!(partition, images = shard.index().len(), "begins with a snapshot");
            Start {
                progress: ProgressRecord {
                    sequence: committed.sequence,
                    lives: committed.lives,
                    ..position.progress
                },
                classifications: position.output.map_or(0, |output| output.classifications),
                shard,
                ..start
            }
        }
        Err(unusable) => {
            discard(&unusable);
            start
        }
    })
}

/// Returns `true` if the log has everything up to this position.
fn is_within(log: &SharedLog, partition: u16, position: Position) -> Result<bool, LogError> {
    let Position { progress, output } = position;
    let ends = [
        (Topic::Images, partition, progress.images),
        (Topic::Tags, partition, progress.tags),
        (Topic::Catalog, 0, progress.catalog),
        (Topic::Classifications, partition, output.map_or(0, |output| output.classifications)),
    ];
    for (topic, partition, offset) in ends {
        if log.end(TopicPartition { topic, partition })? < offset {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The progress that the last processor of the partition committed.
fn last_progress(
    log: &SharedLog,
    partition: u16,
    snapshot: Option<Position>,
) -> Result<ProgressRecord, ProcessorError> {
    let now = log.partitions();
    let of = TopicPartition { topic: Topic::Progress, partition };
    let last_from = |from| {
        let mut last = None;
        for_each_from(&**log, of, from, |stored| {
            if let Ok(Some(progress)) = decode::<ProgressRecord>(&stored.record) {
                last = Some(progress);
            }
            ControlFlow::Continue(())
        })?;
        Ok::<_, LogError>(last)
    };
    // After each snapshot a processor writes such a record, so its absence means that the topic is another one.
    let output = snapshot.and_then(|position| position.output);
    let mut last = match output {
        Some(output) if output.progress <= log.end(of)? => last_from(output.progress)?,
        _ => None,
    };
    if last.is_none() {
        last = last_from(0)?;
    }
    let mut last = last.unwrap_or_else(|| ProgressRecord::beginning(partition, now));
    if last.partitions != now {
        return Err(ProcessorError::Partitions { partition, before: last.partitions, now });
    }
    // Also of topics that a mirror has made anew of others: their records are the same and stand at other offsets.
    if !is_within(log, partition, Position { progress: last, output: None })? {
        tracing::warn!(
            partition,
            "the topics end before what was processed of them, so they are others: everything is read from their beginning"
        );
        last = ProgressRecord { images: 0, tags: 0, catalog: 0, lineage: None, lives: Lives::NONE, ..last };
    }
    last.lineage.get_or_insert_with(|| fastrand::u64(..1 << 53));
    Ok(last)
}

/// Reads the inputs to their ends and passes each read to `each`.
pub(super) fn to_the_end(
    inputs: &mut Inputs,
    partition: u16,
    stop: &AtomicBool,
    mut each: impl FnMut(Taken),
) -> Result<ProgressRecord, ProcessorError> {
    let mut deadline = Instant::now() + STALLED;
    loop {
        let taken = inputs.read(LOOK)?;
        if stop.load(Ordering::Relaxed) {
            return Err(ProcessorError::Stopped);
        }
        if taken.records > 0 {
            deadline = Instant::now() + STALLED;
        } else if Instant::now() >= deadline {
            return Err(ProcessorError::Stalled { partition, seconds: STALLED.as_secs() });
        }
        let (at_end, progress) = (taken.at_end, taken.progress);
        each(taken);
        if at_end {
            return Ok(progress);
        }
    }
}

impl Processor {
    /// Rebuilds the state from the log, commits the conclusions that were not committed, and publishes.
    pub(super) fn read_back(&mut self, classifications: Offset) -> Result<(), ProcessorError> {
        let committed = self.committed;
        let mut refused_now = Vec::new();
        let mut records = 0;
        let Self { inputs, state, partition, options, .. } = self;
        telemetry::set(&options.metrics.restored, *partition, 0);
        let progress = to_the_end(inputs, *partition, &options.stop, |taken| {
            records += taken.records;
            telemetry::set(&options.metrics.progress, *partition, taken.progress.images);
            let (_, refused) = take_in(state.shard(), taken.changes);
            // Records before the committed progress have their dead letters already.
            let is_new = |refused: &Refused| {
                refused.source.offset
                    >= match refused.source.of.topic {
                        Topic::Images => committed.images,
                        Topic::Tags => committed.tags,
                        _ => committed.catalog,
                    }
            };
            refused_now.extend(taken.refused.into_iter().chain(refused).filter(is_new));
        })?;
        let dead_letters: Vec<_> =
            refused_now.into_iter().filter(|refused| self.reports(refused)).map(Refused::letter).collect();
        self.read_committed(classifications)?;
        self.at(Step::Restored);
        let mut drain = self.state.shard().begin_drain();
        let first = self.state.shard().next_effect(&mut drain);
        let images = self.state.shard().index().len();
        self.unsaved = Unsaved::new(records, images);
        telemetry::set(&self.options.metrics.images, self.partition, images as u64);
        let progress = ProgressRecord { sequence: committed.sequence, ..progress };
        if first.is_none() && dead_letters.is_empty() && progress == committed {
            self.state.publish_restored(progress);
            self.is_restored = true;
            self.at(Step::Published);
            return Ok(());
        }
        self.at(Step::Concluded);
        let progress = ProgressRecord { sequence: progress.sequence + 1, ..progress };
        self.sequence = progress.sequence;
        let (changes, traces) = (Vec::new(), Traces::default());
        self.begin(Results { drain, first, dead_letters, changes, traces, records }, progress)?;
        self.finish()
    }

    /// Reads its own output back for the comparison. This comes last, so that it is compared with the final inputs.
    fn read_committed(&mut self, from: Offset) -> Result<(), ProcessorError> {
        let of = self.output(Topic::Classifications);
        let stop = Arc::clone(&self.options.stop);
        let shard = self.state.shard();
        for_each_from(&*self.log, of, from, |stored| {
            if stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            // A record that a stranger wrote here counts as none: the difference replaces it.
            let Ok(digest) = stored.record.key.parse::<Digest>() else { return ControlFlow::Continue(()) };
            let record = decode::<ClassificationRecord>(&stored.record).ok().flatten();
            let record = record.filter(|record| record.digest == digest);
            // Applying committed results touches no chain, so it cannot fail.
            let _ = shard.apply(&Change::Committed(digest, record.map(Arc::new)));
            ControlFlow::Continue(())
        })?;
        match stop.load(Ordering::Relaxed) {
            true => Err(ProcessorError::Stopped),
            false => Ok(()),
        }
    }
}
