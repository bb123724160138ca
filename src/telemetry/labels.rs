//! The metrics of the labeler.

use prometheus::{IntCounter, IntGauge, Registry};

use super::register::{counter, gauge};

/// The metrics of labelling one kind of object. Clones share them.
#[derive(Clone)]
pub struct LabelMetrics {
    /// Objects labelled.
    pub written: IntCounter,
    /// Attempts to label an object that failed.
    pub failures: IntCounter,
    /// Objects that wait to be labelled.
    pub waiting: IntGauge,
}

impl LabelMetrics {
    /// Of Image objects.
    pub(super) fn of_images(registry: &Registry) -> Self {
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

    /// Of Deployments and the like.
    pub(super) fn of_workloads(registry: &Registry) -> Self {
        Self {
            written: counter(registry, "clade_workloads_labelled_total", "workloads labelled"),
            failures: counter(
                registry,
                "clade_workload_label_failures_total",
                "attempts to label a workload that failed",
            ),
            waiting: gauge(registry, "clade_workload_labels_waiting", "workloads that wait to be labelled"),
        }
    }
}
