//! The metrics of what policies say of workloads.

use prometheus::{IntCounter, IntGaugeVec, Registry};

use super::register::{counter, gauges_by};
use crate::record::decision::Verdict;

/// The metrics of what policies say of workloads. Clones share them.
#[derive(Clone)]
pub struct PolicyMetrics {
    workloads: IntGaugeVec,
    /// Decisions written.
    pub decisions: IntCounter,
    /// Reports written or deleted.
    pub reports: IntCounter,
}

impl PolicyMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            workloads: gauges_by(
                registry,
                "clade_policy_workloads",
                "workloads that a policy judges, by policy and verdict (allowed, exempt, unknown or violating)",
                &["policy", "verdict"],
            ),
            decisions: counter(
                registry,
                "clade_decisions_total",
                "decisions about workloads written to the topic decisions",
            ),
            reports: counter(registry, "clade_reports_total", "reports of OpenReports written or deleted"),
        }
    }

    /// Sets the numbers of workloads of a policy.
    pub fn set(&self, policy: &str, counts: [(Verdict, u64); 4]) {
        for (verdict, count) in counts {
            let gauge = self.workloads.with_label_values(&[policy, verdict.as_str()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Removes a policy that is gone.
    pub fn forget(&self, policy: &str) {
        for verdict in Verdict::ALL {
            // It fails for a policy that was never set, which changes nothing.
            let _ = self.workloads.remove_label_values(&[policy, verdict.as_str()]);
        }
    }
}
