//! Connects the traces of records that were read with those of records that are written.

use std::collections::HashMap;
use std::time::SystemTime;

use super::input::Source;
use crate::log::TopicPartition;
use crate::oci::Digest;
use crate::record::{Record, TraceContext};
use crate::shard::Change;
use crate::telemetry::{Operation, Span, Spans};

/// The causes of the conclusions of a batch: the record of an image, or else the last record of the catalog. It also
/// holds the spans that end when the batch is committed: one for each cause and one for each resulting record, only if
/// sampled.
#[derive(Default)]
pub(super) struct Traces {
    images: HashMap<Digest, TraceContext>,
    catalog: Option<TraceContext>,
    sampling: Spans,
    spans: Vec<Span>,
}

impl Traces {
    /// Collects the causes of changes read since `begun` by the processor of a partition.
    pub(super) fn of(
        changes: &[(Source, Change)],
        partition: u16,
        begun: SystemTime,
        sampling: &Spans,
    ) -> Self {
        let mut traces = Self { sampling: sampling.clone(), ..Self::default() };
        for (source, change) in changes {
            let Some(trace) = source.trace else { continue };
            match change {
                Change::Image(image) => {
                    traces.images.insert(image.digest, trace);
                }
                Change::ImageGone(digest) => {
                    traces.images.insert(*digest, trace);
                }
                Change::Catalog(..) => traces.catalog = Some(trace),
                _ => continue,
            }
            if sampling.take(&trace) {
                traces.spans.push(Span {
                    context: classified(&trace, partition),
                    parent: Some(trace),
                    operation: Operation::Classify,
                    topic: source.of.topic,
                    partition: source.of.partition,
                    key: source.key.clone(),
                    is_tombstone: matches!(change, Change::ImageGone(_) | Change::Catalog(_, None)),
                    begun,
                });
            }
        }
        traces
    }

    /// The cause of conclusions about an image.
    pub(super) fn cause(&self, image: &Digest) -> Option<TraceContext> {
        self.images.get(image).copied().or(self.catalog)
    }

    /// Returns a record about an image with its place in the trace of its cause. `name` distinguishes it from other
    /// records about the image on its topic.
    pub(super) fn follow(
        &mut self,
        cause: Option<&TraceContext>,
        to: TopicPartition,
        name: &str,
        record: Record,
    ) -> Record {
        let Some(cause) = cause else { return record };
        // One record of the catalog is the cause of many records.
        let trace = cause.child([to.topic.name(), &record.key, name]);
        if self.sampling.take(&trace) {
            let parent = Some(classified(cause, to.partition));
            self.spans.push(Span::publishing(trace, parent, (to.topic, to.partition), &record));
        }
        record.traced(Some(trace))
    }

    /// The spans, which end with the batch.
    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans
    }
}

/// The place of a record in its trace while the processor of a partition works on it. Every processor reads the
/// catalog, so each has a place of its own.
fn classified(trace: &TraceContext, partition: u16) -> TraceContext {
    trace.child(["classify", &partition.to_string()])
}
