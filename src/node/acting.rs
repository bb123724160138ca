//! Services that act on classifications: labels, counts and rebuilds.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::service::Service;
use super::{Node, NodeError};
use crate::engine::Engine;
use crate::kubernetes::{self, Cluster};
use crate::labeler;
use crate::log::SharedLog;
use crate::oci::Digest;
use crate::query::Query;
use crate::rebuilder::{self, Sink};
use crate::reporter;
use crate::retry::Backoff;
use crate::view::View;

/// Interval at which a service checks whether the workers have failed.
const LOOK: Duration = Duration::from_millis(500);
/// Interval at which workloads are counted for the status of classes.
const COUNT: Duration = Duration::from_secs(2);
/// Number of these intervals after which unchanged counts are compared with the server, too.
const LOOK_AGAIN: u32 = 15;

/// The options of the acting services.
pub struct Acting {
    /// The options of labelling.
    pub labelling: Labelling,
    /// The sink: the receiver of tags that no BuildConfig builds.
    pub sink: Option<Sink>,
    /// `true` to keep Reports of OpenReports.
    pub reports: bool,
    /// The options of the rebuilder.
    pub rebuilds: rebuilder::Options,
}

/// The options of labelling.
#[derive(Debug, Clone, Default)]
pub struct Labelling {
    /// Objects to label per second, at most.
    pub rate: Option<NonZeroU32>,
    /// `true` if clade labels workloads, too.
    pub workloads: bool,
}

/// Labels workloads once all partitions are restored: before, a class that an image is in may only be unread.
pub(super) fn owners(
    node: &Node,
    engine: Arc<Engine>,
    cluster: Cluster,
    rate: Option<NonZeroU32>,
) -> Service {
    let metrics = node.telemetry.metrics.workload_labels.clone();
    Service::new("labels of workloads", async move {
        let view = Arc::clone(engine.view());
        restored(engine).await?;
        Ok(labeler::run_owners(cluster, view, metrics, rate).await?)
    })
}

/// Labels Image objects.
pub(super) fn labels(node: &Node, cluster: Cluster, rate: Option<NonZeroU32>) -> Service {
    let (log, metrics) = (SharedLog::clone(&node.log), node.telemetry.metrics.labels.clone());
    Service::new("labels", async move { Ok(labeler::run(cluster, log, metrics, rate).await?) })
}

/// Keeps a Report of OpenReports for each decision about a workload. The lease names the instance among others of the cluster.
pub(super) fn reports(node: &Node, cluster: Cluster, lease: Option<&(String, String)>) -> Service {
    let name = lease.map_or_else(|| "clade".to_owned(), |(namespace, name)| format!("{namespace}.{name}"));
    // The value of a label.
    let instance = if name.len() <= 63 { name } else { Digest::of(name.as_bytes()).hex()[..32].to_owned() };
    let (log, metrics) = (SharedLog::clone(&node.log), node.telemetry.metrics.policies.clone());
    Service::new("reports", async move { Ok(reporter::run(cluster, instance, log, metrics).await?) })
}

/// Writes the numbers of workloads that run images of each class into the status of the classes, as they change, once all
/// partitions are restored.
pub(super) fn running(engine: Arc<Engine>, cluster: Cluster) -> Service {
    Service::new("running", async move {
        restored(Arc::clone(&engine)).await?;
        let (mut written, mut backoff, mut looks) = (None, Backoff::new(kubernetes::RETRY), 0_u32);
        let mut counted_at = String::new();
        loop {
            tokio::time::sleep(COUNT).await;
            looks = looks.wrapping_add(1);
            let view = Arc::clone(engine.view());
            let state = Query::new(view.snapshot()).state_of_running();
            if state == counted_at && written.is_some() && !looks.is_multiple_of(LOOK_AGAIN) {
                continue;
            }
            counted_at = state;
            let counted = tokio::task::spawn_blocking(move || running_counts(&view)).await;
            let Some(counts) = counted.map_err(|error| NodeError::Ended(error.to_string()))? else {
                continue;
            };
            // Now and then also if nothing has changed: there may be a new class.
            if written.as_ref() == Some(&counts) && !looks.is_multiple_of(LOOK_AGAIN) {
                continue;
            }
            match kubernetes::write_running(&cluster, &counts).await {
                Ok(()) => {
                    backoff.succeeded();
                    written = Some(counts);
                }
                Err(error) => {
                    let failure = backoff.failed();
                    if failure.is_logged() {
                        tracing::warn!(times = failure.times, "cannot write how many workloads run: {error}");
                    }
                    tokio::time::sleep(failure.wait).await;
                }
            }
        }
    })
}

/// The workloads of each class: all, and those that run an outdated image. `None` until they are known.
fn running_counts(view: &Arc<View>) -> Option<BTreeMap<String, (u64, u64)>> {
    let query = Query::new(view.snapshot());
    let counts = query.running_counts().filter(|_| query.knows_workloads())?;
    Some(counts.into_iter().map(|(class, count)| (class, (count.all, count.outdated))).collect())
}

/// Carries out rebuilds once all partitions are restored.
pub(super) fn rebuilds(
    node: &Node,
    engine: Arc<Engine>,
    cluster: Option<Cluster>,
    sink: Option<Sink>,
    options: rebuilder::Options,
) -> Service {
    node.rebuilds.prepare();
    let (rebuilds, metrics) = (node.rebuilds.clone(), node.telemetry.metrics.rebuilds.clone());
    Service::new("rebuilds", async move {
        let view = Arc::clone(engine.view());
        restored(engine).await?;
        Ok(rebuilder::run(rebuilds, cluster, sink, view, metrics, options).await?)
    })
}

/// Waits until all partitions are restored.
async fn restored(engine: Arc<Engine>) -> Result<(), NodeError> {
    let restored = tokio::task::spawn_blocking(move || engine.wait_until_restored()).await;
    Ok(restored.map_err(|error| NodeError::Ended(error.to_string()))??)
}

/// Ends the reading of a past when the services end: the answer that waits for it holds the engine.
struct Stopping(Arc<Engine>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop_pasts();
    }
}

/// Ends when a worker of the engine has given up.
pub(super) fn engine(engine: Arc<Engine>) -> Service {
    Service::new("engine", async move {
        let _stopping = Stopping(Arc::clone(&engine));
        loop {
            engine.check()?;
            tokio::time::sleep(LOOK).await;
        }
    })
}
