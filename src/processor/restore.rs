//! Taking a partition over: what was committed, then every input to its end, then the difference.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::input::{Inputs, Refused, Taken, Traces, take_in};
use super::{Processor, ProcessorError, Step};
use crate::log::{SharedLog, TopicPartition, for_each};
use crate::record::{ClassificationRecord, ProgressRecord, Topic, decode};
use crate::shard::Change;
use crate::telemetry;

/// So long one read waits.
const LOOK: Duration = Duration::from_millis(100);
/// So long may nothing come while the end is not reached: far longer than a broker takes to start again.
const STALLED: Duration = Duration::from_secs(60);

/// The progress that the partition's last processor committed; all zero for the first.
pub(super) fn last_progress(log: &SharedLog, partition: u16) -> Result<ProgressRecord, ProcessorError> {
    let now = log.partitions();
    let mut last = ProgressRecord { partition, partitions: now, sequence: 0, images: 0, tags: 0, catalog: 0 };
    for_each(&**log, TopicPartition { topic: Topic::Progress, partition }, |stored| {
        if let Ok(Some(progress)) = decode::<ProgressRecord>(&stored.record) {
            last = progress;
        }
    })?;
    if last.partitions != now {
        return Err(ProcessorError::Partitions { partition, before: last.partitions, now });
    }
    Ok(last)
}

/// Reads the inputs to their ends and gives `each` what it read.
pub(super) fn to_the_end(
    inputs: &mut Inputs,
    partition: u16,
    mut each: impl FnMut(Taken),
) -> Result<ProgressRecord, ProcessorError> {
    let mut deadline = Instant::now() + STALLED;
    loop {
        let taken = inputs.read(LOOK)?;
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
    /// Rebuilds the state from the log, commits what follows from it and had not been committed, and publishes.
    pub(super) fn read_back(&mut self) -> Result<(), ProcessorError> {
        self.read_committed()?;
        self.at(Step::Restored);
        let committed = self.committed;
        let mut dead_letters = Vec::new();
        let Self { inputs, state, partition, .. } = self;
        let progress = to_the_end(inputs, *partition, |taken| {
            let (_, refused) = take_in(state.shard(), taken.changes);
            // Those before the committed progress have their dead letters already.
            let is_new = |refused: &Refused| {
                refused.source.offset
                    >= match refused.source.of.topic {
                        Topic::Images => committed.images,
                        Topic::Tags => committed.tags,
                        _ => committed.catalog,
                    }
            };
            dead_letters.extend(taken.refused.into_iter().chain(refused).filter(is_new).map(Refused::letter));
        })?;
        let effects = self.state.shard().drain();
        let images = self.state.shard().index().len();
        telemetry::set(&self.options.metrics.images, self.partition, images as u64);
        let progress = ProgressRecord { sequence: committed.sequence, ..progress };
        if effects.is_empty() && dead_letters.is_empty() && progress == committed {
            self.state.publish_restored(progress);
            self.is_restored = true;
            self.at(Step::Published);
            return Ok(());
        }
        self.at(Step::Concluded);
        let progress = ProgressRecord { sequence: progress.sequence + 1, ..progress };
        self.sequence = progress.sequence;
        self.begin(effects, &dead_letters, Vec::new(), &Traces::default(), progress)?;
        self.finish()
    }

    /// Reads the own output back, to compare with.
    fn read_committed(&mut self) -> Result<(), ProcessorError> {
        let mut committed: HashMap<String, ClassificationRecord> = HashMap::new();
        for_each(&*self.log, self.output(Topic::Classifications), |stored| {
            match decode::<ClassificationRecord>(&stored.record) {
                Ok(Some(classification)) => {
                    committed.insert(stored.record.key.clone(), classification);
                }
                // What a stranger wrote here is as good as nothing: the difference replaces it.
                Ok(None) | Err(_) => {
                    committed.remove(&stored.record.key);
                }
            }
        })?;
        let shard = self.state.shard();
        for classification in committed.into_values() {
            // Taking back what was committed touches no chain, so it cannot fail.
            let _ = shard.apply(&Change::Committed(Arc::new(classification)));
        }
        Ok(())
    }
}
