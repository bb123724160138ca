//! The metrics of a process for Prometheus. Names are `clade_<name>_<unit>[_total]`.

use prometheus::{Histogram, IntCounter, IntGaugeVec, Registry, TextEncoder, exponential_buckets};

use crate::class::Coverage;

use super::admission::AdmissionMetrics;
use super::audit::AuditMetrics;
use super::labels::LabelMetrics;
use super::policies::PolicyMetrics;
use super::rebuilds::RebuildMetrics;
use super::register::{counter, gauges, gauges_by, histogram};
use super::registries::RegistriesMetrics;

/// The metrics of the workers of one process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Records read from the inputs.
    pub records: IntCounter,
    /// Records of one batch.
    pub batch: Histogram,
    /// Time from the beginning of an append to its commit, in seconds.
    pub commit: Histogram,
    /// Time from taking over a partition until it is up to date, in seconds.
    pub restore: Histogram,
    /// Images whose classification was written or deleted.
    pub classifications: IntCounter,
    /// Transitions written.
    pub transitions: IntCounter,
    /// Dead letters written.
    pub dead_letters: IntCounter,
    /// Workers that failed and were restored.
    pub failures: IntCounter,
    /// Snapshots written.
    pub snapshots: IntCounter,
    /// Snapshots that a worker started from.
    pub used_snapshots: IntCounter,
    /// Snapshots that were found and not usable.
    pub discarded_snapshots: IntCounter,
    /// Spans that were dropped instead of exported.
    pub dropped_spans: IntCounter,
    /// The metrics of the labeler.
    pub labels: LabelMetrics,
    /// Those of labelling workloads.
    pub workload_labels: LabelMetrics,
    /// The metrics of the rebuilder.
    pub rebuilds: RebuildMetrics,
    /// The metrics of the audit.
    pub audit: AuditMetrics,
    /// The metrics of the admission webhook.
    pub admission: AdmissionMetrics,
    /// The metrics of what policies say of workloads.
    pub policies: PolicyMetrics,
    /// The metrics of registries.
    pub registries: RegistriesMetrics,
    /// By partition: records that are published and not processed.
    pub lag: IntGaugeVec,
    /// By partition: records read, during a restore and after.
    pub progress: IntGaugeVec,
    /// By partition: 1 once it was brought up to date.
    pub restored: IntGaugeVec,
    /// By partition: images in the index.
    pub images: IntGaugeVec,
    /// By partition and coverage: images, counted at most every 30 seconds.
    pub coverage: IntGaugeVec,
    /// By state: workloads, counted at most every 30 seconds.
    pub workloads: IntGaugeVec,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let seconds = exponential_buckets(0.001, 2.0, 16).unwrap_or_default();
        let sizes = exponential_buckets(1.0, 4.0, 9).unwrap_or_default();
        Self {
            records: counter(&registry, "clade_records_total", "records read from the inputs"),
            batch: histogram(&registry, "clade_batch_records", "records of one batch", sizes),
            commit: histogram(&registry, "clade_commit_seconds", "from append to commit", seconds.clone()),
            restore: histogram(
                &registry,
                "clade_restore_seconds",
                "from taking a partition over to its being up to date",
                seconds.iter().map(|bound| bound * 10.0).collect(),
            ),
            classifications: counter(
                &registry,
                "clade_classifications_total",
                "classifications written or deleted",
            ),
            transitions: counter(&registry, "clade_transitions_total", "transitions written"),
            dead_letters: counter(&registry, "clade_dead_letters_total", "dead letters written"),
            snapshots: counter(&registry, "clade_snapshots_total", "snapshots written"),
            used_snapshots: counter(
                &registry,
                "clade_used_snapshots_total",
                "snapshots that a partition was taken over with",
            ),
            discarded_snapshots: counter(
                &registry,
                "clade_discarded_snapshots_total",
                "snapshots found that were damaged, too old or of something else",
            ),
            failures: counter(
                &registry,
                "clade_worker_failures_total",
                "workers that failed and were restored",
            ),
            dropped_spans: counter(
                &registry,
                "clade_spans_dropped_total",
                "spans for which there was no room, or that the collector did not take",
            ),
            labels: LabelMetrics::of_images(&registry),
            workload_labels: LabelMetrics::of_workloads(&registry),
            rebuilds: RebuildMetrics::new(&registry),
            audit: AuditMetrics::new(&registry, seconds),
            admission: AdmissionMetrics::new(&registry),
            policies: PolicyMetrics::new(&registry),
            registries: RegistriesMetrics::new(&registry),
            lag: gauges(&registry, "clade_lag_records", "records published and not processed"),
            progress: gauges(&registry, "clade_progress_records", "offset of images up to which was read"),
            restored: gauges(
                &registry,
                "clade_partition_restored",
                "1 once the partition was brought up to date",
            ),
            images: gauges(&registry, "clade_index_images", "images in the index"),
            coverage: gauges_by(
                &registry,
                "clade_coverage_images",
                "images by what is known of their beginnings (label coverage: member, known-base, claimed or unknown)",
                &["partition", "coverage"],
            ),
            workloads: gauges_by(
                &registry,
                "clade_workloads",
                "workloads by the worst of their images (label state: outdated, unknown, current or unclassified)",
                &["state"],
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Everything in Prometheus's text format.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Removes a partition that another process has now.
    pub fn forget(&self, partition: u16) {
        for gauges in [&self.lag, &self.progress, &self.restored, &self.images] {
            // The partition may have no value yet.
            let _ = gauges.remove_label_values(&[&partition.to_string()]);
        }
        for coverage in Coverage::ALL {
            let _ = self.coverage.remove_label_values(&[&partition.to_string(), coverage.as_str()]);
        }
    }
}

/// Sets the gauge of a partition.
pub fn set(gauges: &IntGaugeVec, partition: u16, value: u64) {
    gauges.with_label_values(&[&partition.to_string()]).set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_told_under_its_own_name() {
        let metrics = Metrics::default();
        set(&metrics.lag, 3, 7);
        metrics.transitions.inc_by(2);
        let text = metrics.text();
        assert!(text.contains("clade_lag_records{partition=\"3\"} 7"), "{text}");
        assert!(text.contains("clade_transitions_total 2"), "{text}");
        metrics.forget(3);
        assert!(!metrics.text().contains("partition=\"3\""));
        assert_eq!(text.matches("# TYPE clade_").count(), 37, "{text}");
    }
}
