//! Telemetry of a process: metrics, which Prometheus scrapes, and spans for an OpenTelemetry collector, if one is
//! named.

mod admission;
mod audit;
mod exporter;
mod labels;
mod metrics;
mod policies;
mod rebuilds;
mod register;
mod registries;
mod spans;

pub use admission::AdmissionMetrics;
pub use audit::AuditMetrics;
pub use exporter::{Collector, Exporter, ExporterError};
pub use labels::LabelMetrics;
pub use metrics::{Metrics, set};
pub use policies::PolicyMetrics;
pub use rebuilds::RebuildMetrics;
pub use registries::{RegistriesMetrics, RegistryMetrics};
pub use spans::{Operation, Span, Spans};

/// The two ways in which a process tells how it is doing. Clones share them.
#[derive(Clone, Default)]
pub struct Telemetry {
    /// Metrics, which Prometheus reads.
    pub metrics: Metrics,
    /// Spans, which go to a collector if one is named.
    pub spans: Spans,
}
