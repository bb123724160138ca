//! Counts the images of a partition by their coverage now and then, for Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::class::{Coverage, Covered};
use crate::query::Query;
use crate::record::ProgressRecord;
use crate::telemetry::Metrics;
use crate::view::View;

/// The time between two counts of a partition that changes, at least.
const REST: Duration = Duration::from_secs(30);
/// A count looks at every image. It takes at most this share of the time.
const SHARE: u32 = 100;

/// The counts of the partitions that readers see.
pub(super) struct Census {
    view: Arc<View>,
    counted: BTreeMap<u16, Count>,
    /// The time of the next count of workloads.
    workloads_due: Option<Instant>,
}

struct Count {
    progress: ProgressRecord,
    /// The time of the next count.
    due: Instant,
}

impl Census {
    pub(super) fn new(view: Arc<View>) -> Self {
        Self { view, counted: BTreeMap::new(), workloads_due: None }
    }

    /// Counts the workloads, if it is time.
    pub(super) fn tell_workloads(&mut self, metrics: &Metrics) {
        let begun = Instant::now();
        if self.workloads_due.is_some_and(|due| begun < due) {
            return;
        }
        let query = Query::new(self.view.snapshot());
        if !query.knows_workloads() {
            return;
        }
        let counts = query.workload_counts();
        for (state, count) in [
            ("outdated", counts.outdated),
            ("unknown", counts.unknown),
            ("current", counts.current),
            ("unclassified", counts.unclassified),
        ] {
            let value = i64::try_from(count).unwrap_or(i64::MAX);
            metrics.workloads.with_label_values(&[state]).set(value);
        }
        self.workloads_due = Some(begun + REST.max(begun.elapsed() * SHARE));
    }

    /// Counts the images of a partition, if they have changed and it is time.
    pub(super) fn tell(&mut self, metrics: &Metrics, partition: u16) {
        let begun = Instant::now();
        if self.counted.get(&partition).is_some_and(|count| begun < count.due) {
            return;
        }
        let snapshot = self.view.snapshot();
        let Some(committed) = snapshot.partition(usize::from(partition)) else { return };
        if self.counted.get(&partition).is_some_and(|count| count.progress == committed.progress) {
            return;
        }
        // A processor without readers pays for none of the orders that answers are made from.
        let mut covered = Covered::default();
        committed.shard.each_coverage(|_, coverage| covered.add(coverage));
        for coverage in Coverage::ALL {
            let labels = [partition.to_string(), coverage.as_str().to_owned()];
            let value = i64::try_from(covered.of(coverage)).unwrap_or(i64::MAX);
            metrics.coverage.with_label_values(&labels.each_ref().map(String::as_str)).set(value);
        }
        let due = begun + REST.max(begun.elapsed() * SHARE);
        self.counted.insert(partition, Count { progress: committed.progress, due });
    }
}
