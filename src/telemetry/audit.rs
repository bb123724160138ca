//! The metrics of the audit.

use prometheus::{Histogram, IntCounter, IntGauge, Registry};

use super::register::{counter, gauge, histogram};

/// The metrics of the audit trail. Clones share them.
#[derive(Clone)]
pub struct AuditMetrics {
    /// Entries written for records.
    pub entries: IntCounter,
    /// Bytes written to segments.
    pub bytes: IntCounter,
    /// Time from the first byte of a batch until the batch is durable, in seconds.
    pub sync: Histogram,
    /// Segments closed.
    pub segments: IntCounter,
    /// Topics that were created again.
    pub resets: IntCounter,
    /// Attempts to upload that failed.
    pub upload_failures: IntCounter,
    /// Closed segments that wait to be uploaded.
    pub uploads_waiting: IntGauge,
}

impl AuditMetrics {
    pub(super) fn new(registry: &Registry, seconds: Vec<f64>) -> Self {
        Self {
            entries: counter(
                registry,
                "clade_audit_entries_total",
                "records with an entry in the audit trail",
            ),
            bytes: counter(registry, "clade_audit_bytes_total", "bytes written to the audit trail"),
            sync: histogram(
                registry,
                "clade_audit_sync_seconds",
                "until a batch of entries is durable",
                seconds,
            ),
            segments: counter(registry, "clade_audit_segments_total", "segments of the audit trail closed"),
            resets: counter(
                registry,
                "clade_audit_resets_total",
                "partitions that were made anew since they were audited",
            ),
            upload_failures: counter(
                registry,
                "clade_audit_upload_failures_total",
                "attempts to upload a segment of the audit trail that failed",
            ),
            uploads_waiting: gauge(
                registry,
                "clade_audit_uploads_waiting",
                "closed segments of the audit trail that the store does not have yet",
            ),
        }
    }
}
