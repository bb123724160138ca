//! From effects to records on the log.

use std::time::Instant;

use super::traces::Traces;
use super::{Done, Processor, ProcessorError, Step};
use crate::log::{Batch, TopicPartition, check_size};
use crate::record::{
    ClassificationRecord, DeadLetterRecord, ProgressRecord, Record, Topic, encode, tombstone,
};
use crate::shard::{Change, Effect};
use crate::telemetry::Span;

/// What was begun to be appended, and what has to be published once it is.
pub(super) struct InFlight {
    changes: Vec<Change>,
    progress: ProgressRecord,
    spans: Vec<Span>,
    done: Done,
    begun: Instant,
}

/// What follows from a batch of inputs.
pub(super) struct Results {
    pub(super) effects: Vec<Effect>,
    pub(super) dead_letters: Vec<DeadLetterRecord>,
    /// What the published copy still has to be given.
    pub(super) changes: Vec<Change>,
    pub(super) traces: Traces,
    pub(super) done: Done,
}

impl Processor {
    /// Begins to append the effects, the dead letters and last the progress; [`Processor::finish`] ends it. Large
    /// results are divided between images; the progress stands in the last part, so that after a crash the difference
    /// is computed again and the rest follows. While a part is on its way, the next is put into words.
    pub(super) fn begin(&mut self, results: Results, progress: ProgressRecord) -> Result<(), ProcessorError> {
        let Results { effects, mut dead_letters, changes, mut traces, mut done } = results;
        let mut effects = effects.into_iter().peekable();
        let mut is_part_begun = false;
        while effects.len() > self.options.commit_images {
            let part: Vec<Effect> = effects.by_ref().take(self.options.commit_images).collect();
            let batch = self.records(&part, &mut traces, &mut dead_letters, progress.sequence)?;
            self.finish()?;
            if std::mem::replace(&mut is_part_begun, true) {
                self.finish_part()?;
            }
            self.writer.begin(batch)?;
        }
        let part: Vec<Effect> = effects.collect();
        let mut batch = self.records(&part, &mut traces, &mut dead_letters, progress.sequence)?;
        done.dead_letters = dead_letters.len();
        for letter in dead_letters {
            batch.push((self.output(Topic::DeadLetters), encode(letter.origin.clone(), &letter)?));
        }
        let key = self.partition.to_string();
        batch.push((self.output(Topic::Progress), encode(key, &progress)?));
        self.finish()?;
        if is_part_begun {
            self.finish_part()?;
        }
        self.writer.begin(batch)?;
        let (spans, begun) = (traces.into_spans(), Instant::now());
        self.in_flight = Some(InFlight { changes, progress, spans, done, begun });
        Ok(())
    }

    fn finish_part(&mut self) -> Result<(), ProcessorError> {
        self.writer.finish()?;
        self.at(Step::PartlyCommitted);
        Ok(())
    }

    /// Waits until what was begun is committed, and publishes it.
    pub(super) fn finish(&mut self) -> Result<(), ProcessorError> {
        let Some(in_flight) = self.in_flight.take() else { return Ok(()) };
        let InFlight { changes, progress, spans, done, begun } = in_flight;
        let finished = self.writer.finish();
        let error = finished.as_ref().err().map(ToString::to_string);
        self.options.spans.end(spans, error.as_deref());
        finished?;
        self.count(&done, begun);
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

    /// What is counted is committed.
    fn count(&self, done: &Done, begun: Instant) {
        let metrics = &self.options.metrics;
        metrics.commit.observe(begun.elapsed().as_secs_f64());
        metrics.records.inc_by(done.records as u64);
        #[allow(clippy::cast_precision_loss, reason = "nobody counts so far")]
        metrics.batch.observe(done.records as f64);
        metrics.classifications.inc_by(done.classified as u64);
        metrics.transitions.inc_by(done.transitions as u64);
        metrics.dead_letters.inc_by(done.dead_letters as u64);
    }

    fn records(
        &self,
        effects: &[Effect],
        traces: &mut Traces,
        dead_letters: &mut Vec<DeadLetterRecord>,
        sequence: u64,
    ) -> Result<Batch, ProcessorError> {
        let (outdated, classifications) = (self.output(Topic::Outdated), self.output(Topic::Classifications));
        let mut batch = Batch::with_capacity(effects.len() * 2);
        let mut put = |to: TopicPartition, name: &str, record: Record| {
            // What is concluded from strangers' records is as large as they make it.
            match check_size(to, &record) {
                Ok(()) => batch.push((to, traces.follow(to, name, record))),
                Err(error) => {
                    let origin = format!("{to} {} {sequence}", record.key);
                    let value = record.value.as_deref();
                    dead_letters.push(DeadLetterRecord::new(
                        origin,
                        Some(record.key.clone()),
                        error.to_string(),
                        value,
                    ));
                }
            }
        };
        for effect in effects {
            let key = effect.digest.to_string();
            for transition in &effect.transitions {
                put(outdated, &transition.class, encode(key.clone(), transition)?);
            }
            let record = match &effect.classification {
                Some(classification) => encode(key, classification)?,
                None => {
                    let id = format!("{key}@{sequence}");
                    tombstone::<ClassificationRecord>(key, id)
                }
            };
            put(classifications, "", record);
        }
        Ok(batch)
    }
}
