//! From effects to records on the log.

use std::time::Instant;

use super::traces::Traces;
use super::{Processor, ProcessorError, Step};
use crate::log::Batch;
use crate::record::{ClassificationRecord, DeadLetterRecord, ProgressRecord, Topic, encode, tombstone};
use crate::shard::{Change, Effect};
use crate::telemetry::Span;

/// What was begun to be appended, and what has to be published once it is.
pub(super) struct InFlight {
    changes: Vec<Change>,
    progress: ProgressRecord,
    spans: Vec<Span>,
    begun: Instant,
}

impl Processor {
    /// Begins to append the effects, the dead letters and last the progress; [`Processor::finish`] ends it. Large
    /// results are divided between images; the progress stands in the last part, so that after a crash the difference
    /// is computed again and the rest follows. While a part is on its way, the next is put into words.
    pub(super) fn begin(
        &mut self,
        effects: Vec<Effect>,
        dead_letters: &[DeadLetterRecord],
        changes: Vec<Change>,
        mut traces: Traces,
        progress: ProgressRecord,
    ) -> Result<(), ProcessorError> {
        let mut effects = effects.into_iter().peekable();
        let mut is_part_begun = false;
        while effects.len() > self.options.commit_images {
            let part: Vec<Effect> = effects.by_ref().take(self.options.commit_images).collect();
            let batch = self.records(&part, &mut traces, progress.sequence)?;
            self.finish()?;
            if std::mem::replace(&mut is_part_begun, true) {
                self.finish_part()?;
            }
            self.writer.begin(batch)?;
        }
        let part: Vec<Effect> = effects.collect();
        let mut batch = self.records(&part, &mut traces, progress.sequence)?;
        for letter in dead_letters {
            batch.push((self.output(Topic::DeadLetters), encode(letter.origin.clone(), letter)?));
        }
        let key = self.partition.to_string();
        batch.push((self.output(Topic::Progress), encode(key, &progress)?));
        self.finish()?;
        if is_part_begun {
            self.finish_part()?;
        }
        self.writer.begin(batch)?;
        self.in_flight =
            Some(InFlight { changes, progress, spans: traces.into_spans(), begun: Instant::now() });
        Ok(())
    }

    fn finish_part(&mut self) -> Result<(), ProcessorError> {
        self.writer.finish()?;
        self.at(Step::PartlyCommitted);
        Ok(())
    }

    /// Waits until what was begun is committed, and publishes it.
    pub(super) fn finish(&mut self) -> Result<(), ProcessorError> {
        let Some(InFlight { changes, progress, spans, begun }) = self.in_flight.take() else { return Ok(()) };
        let finished = self.writer.finish();
        let error = finished.as_ref().err().map(ToString::to_string);
        self.options.spans.end(spans, error.as_deref());
        finished?;
        self.options.metrics.commit.observe(begun.elapsed().as_secs_f64());
        self.at(Step::Committed);
        self.committed = progress;
        if self.is_restored {
            self.state.publish(changes, progress);
        } else {
            self.state.publish_restored(progress);
            self.is_restored = true;
        }
        self.at(Step::Published);
        Ok(())
    }

    fn records(
        &self,
        effects: &[Effect],
        traces: &mut Traces,
        sequence: u64,
    ) -> Result<Batch, ProcessorError> {
        let (outdated, classifications) = (self.output(Topic::Outdated), self.output(Topic::Classifications));
        let mut batch = Batch::with_capacity(effects.len() * 2);
        for effect in effects {
            let key = effect.digest.to_string();
            for transition in &effect.transitions {
                let record = encode(key.clone(), transition)?;
                batch.push((outdated, traces.follow(outdated, &transition.class, record)));
            }
            let record = match &effect.classification {
                Some(classification) => encode(key, classification)?,
                None => {
                    let id = format!("{key}@{sequence}");
                    tombstone::<ClassificationRecord>(key, id)
                }
            };
            batch.push((classifications, traces.follow(classifications, "", record)));
        }
        Ok(batch)
    }
}
