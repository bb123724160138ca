//! Spans: one operation on one record, with its duration.
//!
//! ```text
//!   publish images ─► classify images ─► publish classifications
//!   (the publisher)   (a processor) └──► publish outdated
//! ```
//!
//! The IDs are those that the records' `traceparent` carries, so nothing is kept between one service and the next, and a
//! batch that is processed again makes the same spans. Names and attributes are those of OpenTelemetry's semantic
//! conventions for messaging.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample as _, SpanData};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::record::{Record, Topic, TraceContext};

/// The operation on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The record was appended.
    Publish,
    /// The record was read, and its consequences were concluded and appended.
    Classify,
}

impl Operation {
    /// The name of the operation here, and its name in the conventions.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Publish => ("publish", "send"),
            Self::Classify => ("classify", "process"),
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Publish => SpanKind::Producer,
            Self::Classify => SpanKind::Consumer,
        }
    }
}

/// An operation on a record, and its place in the record's trace.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its own place in the trace. For an appended record it is that of its `traceparent`.
    pub context: TraceContext,
    /// The place of its cause.
    pub parent: Option<TraceContext>,
    /// The operation.
    pub operation: Operation,
    /// The topic of the record.
    pub topic: Topic,
    /// The partition of the record.
    pub partition: u16,
    /// The key of the record.
    pub key: String,
    /// `true` if the record deletes its key.
    pub is_tombstone: bool,
    /// The time at which the operation began.
    pub begun: SystemTime,
}

impl Span {
    /// The span of a record that is appended to a partition from now on.
    pub fn publishing(
        context: TraceContext,
        parent: Option<TraceContext>,
        (topic, partition): (Topic, u16),
        record: &Record,
    ) -> Self {
        let (key, is_tombstone) = (record.key.clone(), record.value.is_none());
        let (operation, begun) = (Operation::Publish, SystemTime::now());
        Self { context, parent, operation, topic, partition, key, is_tombstone, begun }
    }
}

/// Takes spans and exports the sampled ones. Clones share it. The default takes none.
#[derive(Clone, Default)]
pub struct Spans(Option<Arc<Sampling>>);

pub(super) struct Sampling {
    pub(super) sampler: Sampler,
    /// The value of `messaging.system`.
    pub(super) system: &'static str,
    /// The prefix of the names of topics.
    pub(super) prefix: String,
    pub(super) queue: mpsc::Sender<SpanData>,
    pub(super) dropped: IntCounter,
}

impl Spans {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self(Some(Arc::new(sampling)))
    }

    /// Returns `true` if the trace is sampled. The ID alone decides, in the same way as in every OpenTelemetry SDK, so
    /// that all processes agree.
    pub fn sample(&self, trace: &TraceContext) -> bool {
        let Some(Sampling { sampler, .. }) = self.0.as_deref() else { return false };
        let id = TraceId::from_bytes(trace.trace());
        let result = sampler.should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    /// Returns `true` if spans of this place in a trace are taken: the party that began the trace records it, and this
    /// process samples it. The first alone is not enough, as anybody can begin traces and call all of them sampled.
    pub fn take(&self, trace: &TraceContext) -> bool {
        self.0.is_some() && trace.is_sampled() && self.sample(trace)
    }

    /// Exports a span that has ended now, in success or with an error. Never blocks: a span without room is dropped and
    /// counted.
    pub fn end(&self, spans: Vec<Span>, error: Option<&str>) {
        let Some(sampling) = self.0.as_deref() else { return };
        let ended = SystemTime::now();
        for span in spans {
            if sampling.queue.try_send(sampling.data(span, ended, error)).is_err() {
                sampling.dropped.inc();
            }
        }
    }
}

impl Sampling {
    fn data(&self, span: Span, ended: SystemTime, error: Option<&str>) -> SpanData {
        let (name, kind) = span.operation.names();
        let topic = format!("{}{}", self.prefix, span.topic);
        let mut attributes = vec![
            KeyValue::new("messaging.system", self.system),
            KeyValue::new("messaging.operation.name", name),
            KeyValue::new("messaging.operation.type", kind),
            KeyValue::new("messaging.destination.name", topic.clone()),
            KeyValue::new("messaging.destination.partition.id", span.partition.to_string()),
            KeyValue::new("messaging.kafka.message.key", span.key),
        ];
        if span.is_tombstone {
            attributes.push(KeyValue::new("messaging.kafka.message.tombstone", true));
        }
        let flags = if span.context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(span.context.trace()),
                SpanId::from_bytes(span.context.span()),
                flags,
                false,
                TraceState::NONE,
            ),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span())),
            // A classified record comes from another process; a published one has its parent in this process.
            parent_span_is_remote: span.operation == Operation::Classify,
            span_kind: span.operation.kind(),
            name: format!("{name} {topic}").into(),
            start_time: span.begun,
            end_time: ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: error.map_or(Status::Unset, |error| Status::error(error.to_owned())),
            instrumentation_scope: InstrumentationScope::builder("clade")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}
