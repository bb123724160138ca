//! The metrics of the registries that a process watches.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::register::{counters_by, gauges_by};

/// The metrics of all registries. Clones share them.
#[derive(Clone)]
pub struct RegistriesMetrics {
    requests: IntCounterVec,
    waiting: IntGaugeVec,
    looked: IntGaugeVec,
}

/// The metrics of one registry.
#[derive(Debug, Clone)]
pub struct RegistryMetrics {
    /// Requests that were answered.
    pub answered: IntCounter,
    /// Requests that the registry refused.
    pub refused: IntCounter,
    /// Requests that failed for the moment: no answer, a server error, or a demand to come back later.
    pub failed: IntCounter,
    /// Repositories that the present pass has still to look at.
    pub waiting: IntGauge,
    /// The end of the last pass that has read everything, in seconds since the Unix epoch.
    pub looked: IntGauge,
}

impl RegistriesMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            requests: counters_by(
                registry,
                "clade_registry_requests_total",
                "requests to a registry (label result: answered, refused or failed)",
                &["registry", "result"],
            ),
            waiting: gauges_by(
                registry,
                "clade_registry_waiting",
                "repositories that the present pass has still to look at",
                &["registry"],
            ),
            looked: gauges_by(
                registry,
                "clade_registry_last_look_timestamp_seconds",
                "end of the last pass that has read everything",
                &["registry"],
            ),
        }
    }

    /// The metrics of the registry on this host.
    pub fn of(&self, host: &str) -> RegistryMetrics {
        let requests = |result| self.requests.with_label_values(&[host, result]);
        RegistryMetrics {
            answered: requests("answered"),
            refused: requests("refused"),
            failed: requests("failed"),
            waiting: self.waiting.with_label_values(&[host]),
            looked: self.looked.with_label_values(&[host]),
        }
    }
}
