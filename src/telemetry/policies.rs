//! The metrics of what policies say of workloads.

use std::collections::BTreeSet;

use prometheus::{IntCounter, IntGaugeVec, Registry};

use super::register::{counter, gauges_by};
use crate::record::decision::Verdict;

/// The metrics of what policies say of workloads. Clones share them.
#[derive(Clone)]
pub struct PolicyMetrics {
    workloads: IntGaugeVec,
    /// Decisions written.
    pub decisions: IntCounter,
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
        }
    }

    /// Sets the numbers of workloads of each policy. Policies that were there before and are not any more disappear.
    pub fn set<'a>(
        &self,
        before: &BTreeSet<String>,
        now: impl IntoIterator<Item = (&'a str, [(Verdict, u64); 4])>,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (policy, counts) in now {
            for (verdict, count) in counts {
                let gauge = self.workloads.with_label_values(&[policy, verdict.as_str()]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            names.insert(policy.to_owned());
        }
        for gone in before.difference(&names) {
            for verdict in Verdict::ALL {
                // It fails for a label that was never set, which changes nothing.
                let _ = self.workloads.remove_label_values(&[gone, verdict.as_str()]);
            }
        }
        names
    }
}
