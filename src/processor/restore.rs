//! Taking a partition over: what was committed, then every input to its end, then the difference.

use std::collections::HashMap;
use std::sync::Arc;

use super::input::Refused;
use super::{Processor, ProcessorError, Step};
use crate::log::{SharedLog, TopicPartition, for_each};
use crate::record::{ClassificationRecord, ProgressRecord, Topic, decode};
use crate::shard::Change;

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

impl Processor {
    /// Rebuilds the state from the log, commits what follows from it and had not been committed, and publishes.
    pub(super) fn read_back(&mut self) -> Result<(), ProcessorError> {
        self.read_committed()?;
        self.at(Step::Restored);
        let committed = self.progress;
        self.progress = ProgressRecord { images: 0, tags: 0, catalog: 0, ..committed };
        let mut dead_letters = Vec::new();
        loop {
            let inputs = self.read()?;
            if inputs.records == 0 && inputs.progress == self.progress {
                break;
            }
            let (_, refused) = self.take_in(inputs.changes);
            // Those before the committed progress have their dead letters already.
            let is_new = |refused: &Refused| {
                refused.source.offset
                    >= match refused.source.of.topic {
                        Topic::Images => committed.images,
                        Topic::Tags => committed.tags,
                        _ => committed.catalog,
                    }
            };
            dead_letters
                .extend(inputs.refused.into_iter().chain(refused).filter(is_new).map(Refused::letter));
            self.progress = inputs.progress;
        }
        let effects = self.replica.shard().drain();
        let is_news = !effects.is_empty() || !dead_letters.is_empty() || self.progress != committed;
        if is_news {
            self.at(Step::Concluded);
            self.progress.sequence += 1;
            let progress = self.progress;
            self.commit(effects, &dead_letters, &progress)?;
        }
        self.replica.publish_restored(self.progress);
        self.at(Step::Published);
        Ok(())
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
        let shard = self.replica.shard();
        for classification in committed.into_values() {
            // Taking back what was committed touches no chain, so it cannot fail.
            let _ = shard.apply(&Change::Committed(Arc::new(classification)));
        }
        Ok(())
    }
}
