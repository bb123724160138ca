//! The metrics of the labeler.

use prometheus::{IntCounter, IntGauge, Registry};

use super::register::{counter, gauge};

/// The metrics of the labeler. Clones share them.
#[derive(Clone)]
pub struct LabelMetrics {
    /// Image objects labelled.
    pub written: IntCounter,
    /// Attempts to label an object that failed.
    pub failures: IntCounter,
    /// Image objects that wait to be labelled.
    pub waiting: IntGauge,
}

impl LabelMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            written: counter(registry, "clade_labelled_total", "Image objects labelled"),
            failures: counter(
                registry,
                "clade_label_failures_total",
                "attempts to label an Image object that failed",
            ),
            waiting: gauge(registry, "clade_labels_waiting", "Image objects that wait to be labelled"),
        }
    }
}
