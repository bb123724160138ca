//! The metrics of the rebuilder.

use prometheus::{IntCounter, IntGauge, Registry};

use super::register::{counter, gauge};

/// The metrics of the rebuilder. Clones share them.
#[derive(Clone)]
pub struct RebuildMetrics {
    /// Rebuilds that are not over.
    pub active: IntGauge,
    /// Builds of rebuilds that are starting or running.
    pub builds_running: IntGauge,
    /// Builds started, and tags that the sink was notified of.
    pub builds_begun: IntCounter,
    /// Builds that have pushed their image.
    pub builds_succeeded: IntCounter,
    /// Builds that have failed; each attempt counts.
    pub builds_failed: IntCounter,
}

impl RebuildMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            active: gauge(registry, "clade_rebuilds_active", "rebuilds that are not over"),
            builds_running: gauge(
                registry,
                "clade_builds_running",
                "builds of rebuilds that are being begun or run",
            ),
            builds_begun: counter(
                registry,
                "clade_builds_begun_total",
                "builds started, and tags that the sink was notified of",
            ),
            builds_succeeded: counter(
                registry,
                "clade_builds_succeeded_total",
                "builds that have pushed their image",
            ),
            builds_failed: counter(
                registry,
                "clade_builds_failed_total",
                "builds that have failed, each attempt counted",
            ),
        }
    }
}
