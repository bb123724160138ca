//! Services that act on classifications: labels and rebuilds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::service::Service;
use super::{Node, NodeError};
use crate::engine::Engine;
use crate::kubernetes::Cluster;
use crate::labeler;
use crate::log::SharedLog;
use crate::rebuilder::{self, Sink};

/// Interval at which a service checks whether the workers have failed.
const LOOK: Duration = Duration::from_millis(500);

/// The options of the acting services.
pub struct Acting {
    /// Objects to label per second, at most.
    pub label_rate: Option<NonZeroU32>,
    /// The sink: the receiver of tags that no BuildConfig builds.
    pub sink: Option<Sink>,
    /// The options of the rebuilder.
    pub rebuilds: rebuilder::Options,
}

/// Labels Image objects.
pub(super) fn labels(node: &Node, cluster: Cluster, rate: Option<NonZeroU32>) -> Service {
    let (log, metrics) = (SharedLog::clone(&node.log), node.telemetry.metrics.labels.clone());
    Service::new("labels", async move { Ok(labeler::run(cluster, log, metrics, rate).await?) })
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
        let restored = tokio::task::spawn_blocking(move || engine.wait_until_restored()).await;
        restored.map_err(|error| NodeError::Ended(error.to_string()))??;
        Ok(rebuilder::run(rebuilds, cluster, sink, view, metrics, options).await?)
    })
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
