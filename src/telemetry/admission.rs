//! The metrics of the admission webhook.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, Registry, exponential_buckets};

use super::register::{counter, counters_by, histogram};

/// The metrics of the admission webhook. Clones share them.
#[derive(Clone)]
pub struct AdmissionMetrics {
    verdicts: IntCounterVec,
    seconds: Histogram,
    /// What was judged and could not be written to the topic.
    pub unrecorded: IntCounter,
    /// Requests of clients without a certificate that counts.
    pub refused: IntCounter,
}

impl AdmissionMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let verdicts = counters_by(
            registry,
            "clade_admission_verdicts_total",
            "objects judged by the webhook (label verdict: allowed, exempt, unknown or violating)",
            &["verdict"],
        );
        for verdict in ["allowed", "exempt", "unknown", "violating"] {
            verdicts.with_label_values(&[verdict]);
        }
        Self {
            verdicts,
            unrecorded: counter(
                registry,
                "clade_admission_unrecorded_total",
                "pods that the webhook did not simply allow and that are not on the topic admissions: more came at once than a namespace, or all of them, may write",
            ),
            refused: counter(
                registry,
                "clade_admission_refused_total",
                "requests to the webhook that were refused, since their client showed no certificate that counts",
            ),
            seconds: histogram(
                registry,
                "clade_admission_seconds",
                "from the question of the API server to the verdict",
                // From 50 us to 1.6 s.
                exponential_buckets(0.000_05, 2.0, 16).unwrap_or_default(),
            ),
        }
    }

    /// Counts a verdict that took so long.
    pub fn decided(&self, verdict: &str, took: Duration) {
        self.verdicts.with_label_values(&[verdict]).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
