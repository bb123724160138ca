//! Turns effects into records on the log.

use std::time::Instant;

use super::traces::Traces;
use super::{Done, Processor, ProcessorError, Step};
use crate::log::{Batch, TopicPartition, check_size};
use crate::record::{
    ClassificationRecord, DeadLetterRecord, ProgressRecord, Record, Topic, encode, tombstone,
};
use crate::shard::{Change, Drain, Effect};
use crate::telemetry::Span;

/// An append under way, and the changes to publish once it is committed.
pub(super) struct InFlight {
    changes: Vec<Change>,
    progress: ProgressRecord,
    spans: Vec<Span>,
    done: Done,
    begun: Instant,
}

/// The results of a batch of inputs.
pub(super) struct Results {
    /// Effects that are not computed yet.
    pub(super) drain: Drain,
    /// The first effect, if it is computed.
    pub(super) first: Option<Effect>,
    pub(super) dead_letters: Vec<DeadLetterRecord>,
    /// The changes that the published copy of the shard still lacks.
    pub(super) changes: Vec<Change>,
    pub(super) traces: Traces,
    /// The number of records read.
    pub(super) records: usize,
}

/// The destinations of records about images.
struct Outputs {
    outdated: TopicPartition,
    classifications: TopicPartition,
    /// Batch counter.
    sequence: u64,
}

impl Processor {
    /// Begins to append the effects, then the dead letters, and last the progress; [`Processor::finish`] ends it. Large
    /// results are appended in parts, divided between images. The progress stands in the last part, so that after a
    /// crash the difference is computed again and the rest follows. While a part is under way, the next is computed and
    /// encoded.
    pub(super) fn begin(
        &mut self,
        results: Results,
        progress: ProgressRecord,
    ) -> Result<Done, ProcessorError> {
        let Results { mut drain, first, mut dead_letters, changes, mut traces, records } = results;
        let outputs = Outputs {
            outdated: self.output(Topic::Outdated),
            classifications: self.output(Topic::Classifications),
            sequence: progress.sequence,
        };
        let mut done = Done { records, ..Done::default() };
        let (mut batch, mut images, mut bytes, mut is_part_begun) = (Batch::new(), 0, 0, false);
        let mut next = first.or_else(|| self.state.shard().next_effect(&mut drain));
        while let Some(effect) = next {
            let first = batch.len();
            outputs.put(effect, &mut batch, &mut traces, &mut dead_letters, &mut done)?;
            images += 1;
            bytes += batch[first..].iter().map(|(_, record)| record.bytes()).sum::<usize>();
            next = self.state.shard().next_effect(&mut drain);
            let is_full = images >= self.options.commit_images || bytes >= self.options.commit_bytes;
            if is_full && next.is_some() {
                let capacity = batch.len();
                self.finish()?;
                if std::mem::replace(&mut is_part_begun, true) {
                    self.finish_part()?;
                }
                self.writer.begin(std::mem::replace(&mut batch, Batch::with_capacity(capacity)))?;
                (images, bytes) = (0, 0);
            }
        }
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
        Ok(done)
    }

    fn finish_part(&mut self) -> Result<(), ProcessorError> {
        self.writer.finish()?;
        self.at(Step::PartlyCommitted);
        Ok(())
    }

    /// Waits until the append under way is committed, and publishes its changes.
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

    /// Counts committed results only.
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
}

impl Outputs {
    /// Encodes the changes of one image.
    fn put(
        &self,
        effect: Effect,
        batch: &mut Batch,
        traces: &mut Traces,
        dead_letters: &mut Vec<DeadLetterRecord>,
        done: &mut Done,
    ) -> Result<(), ProcessorError> {
        let sequence = self.sequence;
        let cause = traces.cause(&effect.digest);
        let mut put = |to: TopicPartition, name: &str, record: Record| {
            // A record concluded from foreign records can be as large as they make it.
            match check_size(to, &record) {
                Ok(()) => batch.push((to, traces.follow(cause.as_ref(), to, name, record))),
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
        done.classified += 1;
        done.transitions += effect.transitions.len();
        let key = effect.digest.to_string();
        for transition in &effect.transitions {
            put(self.outdated, &transition.class, encode(key.clone(), transition)?);
        }
        let record = match &effect.classification {
            Some(classification) => encode(key, classification)?,
            None => {
                let id = format!("{key}@{sequence}");
                tombstone::<ClassificationRecord>(key, id)
            }
        };
        put(self.classifications, "", record);
        Ok(())
    }
}
