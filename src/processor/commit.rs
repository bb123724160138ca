//! From effects to records on the log.

use super::{Processor, ProcessorError, Step};
use crate::log::Batch;
use crate::record::{ClassificationRecord, DeadLetterRecord, ProgressRecord, Topic, encode, tombstone};
use crate::shard::Effect;

impl Processor {
    /// Appends the effects, the dead letters and last the progress. Large results are divided between images; the
    /// progress stands in the last part, so that after a crash the difference is computed again and the rest follows.
    pub(super) fn commit(
        &mut self,
        effects: Vec<Effect>,
        dead_letters: &[DeadLetterRecord],
        progress: &ProgressRecord,
    ) -> Result<(), ProcessorError> {
        let mut effects = effects.into_iter().peekable();
        while effects.len() > self.options.commit_images {
            let part: Vec<Effect> = effects.by_ref().take(self.options.commit_images).collect();
            let batch = self.records(&part, progress.sequence)?;
            self.writer.append(batch)?;
            self.at(Step::PartlyCommitted);
        }
        let part: Vec<Effect> = effects.collect();
        let mut batch = self.records(&part, progress.sequence)?;
        for letter in dead_letters {
            batch.push((self.output(Topic::DeadLetters), encode(letter.origin.clone(), letter)?));
        }
        let key = self.partition.to_string();
        batch.push((self.output(Topic::Progress), encode(key, progress)?));
        self.writer.append(batch)?;
        self.at(Step::Committed);
        Ok(())
    }

    fn records(&self, effects: &[Effect], sequence: u64) -> Result<Batch, ProcessorError> {
        let mut batch = Batch::with_capacity(effects.len() * 2);
        for effect in effects {
            let key = effect.digest.to_string();
            for transition in &effect.transitions {
                batch.push((self.output(Topic::Outdated), encode(key.clone(), transition)?));
            }
            let record = match &effect.classification {
                Some(classification) => encode(key, classification)?,
                None => {
                    let id = format!("{key}@{sequence}");
                    tombstone::<ClassificationRecord>(key, id)
                }
            };
            batch.push((self.output(Topic::Classifications), record));
        }
        Ok(batch)
    }
}
