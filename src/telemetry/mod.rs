//! What a process tells of itself: metrics to Prometheus, which asks for them, and spans to an OpenTelemetry collector,
//! if one is named.

mod exporter;
mod metrics;
mod spans;

pub use exporter::{Collector, Exporter, ExporterError};
pub use metrics::{Metrics, set};
pub use spans::{Operation, Span, Spans};
