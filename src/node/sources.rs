//! The sources of a process, each a service that feeds the publisher.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::feed::{channel, feed};
use super::service::Service;
use super::{NodeError, files};
use crate::api::{self, Router};
use crate::kubernetes::{self, Cluster};
use crate::publisher::{PublishError, Publishing};
use crate::registry::{self, Notice, Remembered};
use crate::retry::{Backoff, Policy};
use crate::telemetry::RegistriesMetrics;

/// Notices that may wait for each registry, at most. The registry's next poll finds what further ones would have
/// reported.
const NOTICES: usize = 256;

/// The waits after a failure to read the log.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(64));

/// The sources of a process.
#[derive(Default)]
pub struct Sources {
    /// Files and folders.
    pub files: Vec<PathBuf>,
    /// Container registries.
    pub registries: Vec<registry::Config>,
    /// The secret with which registries may send notifications of changes.
    pub notify_secret: Option<Vec<u8>>,
    /// A Kubernetes or OpenShift cluster.
    pub cluster: Option<ClusterAccess>,
    /// `true` if clade follows the workloads of the cluster.
    pub workloads: bool,
    /// The settling delay.
    pub settle: Duration,
}

/// A cluster to work with.
#[derive(Debug, Clone)]
pub struct ClusterAccess {
    /// The context of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// The lease `namespace/name`. Only the instance that holds it works.
    pub lease: Option<(String, String)>,
}

impl ClusterAccess {
    /// The connection.
    pub(super) async fn connect(&self) -> Result<Cluster, NodeError> {
        Ok(Cluster::new(self.context.clone()).await?)
    }
}

impl Sources {
    /// Returns `true` if there is any source.
    pub fn are_any(&self) -> bool {
        !self.files.is_empty() || !self.registries.is_empty() || self.cluster.is_some()
    }

    /// Connects to the cluster, if one is a source. Returns an error for sources that cannot be combined.
    pub(super) async fn connect(&self) -> Result<Option<Cluster>, NodeError> {
        let Some(access) = &self.cluster else { return Ok(None) };
        let cluster = access.connect().await?;
        if !self.registries.is_empty() {
            refuse_two_identities(&cluster).await?;
        }
        Ok(Some(cluster))
    }

    /// The services of the sources, and the routes for notifications.
    pub(super) fn services(
        self,
        publishing: &Publishing,
        metrics: &RegistriesMetrics,
        cluster: Option<&Cluster>,
    ) -> (Vec<Service>, Router) {
        let (out, observations) = channel();
        let mut services = Vec::new();
        if !self.files.is_empty() {
            services.push(Service::new("files", files::watch(publishing.clone(), self.files)));
        }
        if !self.registries.is_empty() || cluster.is_some() {
            services.push(Service::new("feed", feed(publishing.clone(), observations)));
        }
        let mut notices = Vec::new();
        for config in self.registries {
            let (notice, notified) = mpsc::channel(NOTICES);
            notices.push(notice);
            services.push(Service::new(
                "registry",
                watch_registry(config, notified, publishing.clone(), metrics.clone(), out.clone()),
            ));
        }
        if let Some(cluster) = cluster.cloned() {
            let (catalog, workloads) = (publishing.catalog(), self.workloads);
            services.push(Service::new("cluster", async move {
                Ok(kubernetes::watch(cluster, catalog, out, workloads).await?)
            }));
        }
        let router = match self.notify_secret {
            Some(secret) => api::notifications(&secret, notices),
            None => Router::new(),
        };
        (services, router)
    }
}

/// Watches a registry. The service ends only if the registry cannot be watched as configured.
async fn watch_registry(
    config: registry::Config,
    notified: mpsc::Receiver<Notice>,
    publishing: Publishing,
    metrics: RegistriesMetrics,
    out: mpsc::Sender<Vec<crate::observe::Observation>>,
) -> Result<(), NodeError> {
    let remembered = remembered(&config.host, &publishing).await?;
    registry::watch(config, remembered, notified, publishing.wanted(), &metrics, out).await?;
    // The receiver of observations is gone, which another service has reported.
    std::future::pending().await
}

/// Reads from the log what was published of a registry. Without it each document of the registry would be read anew, so
/// the watcher waits until the log can be read.
async fn remembered(host: &str, publishing: &Publishing) -> Result<Remembered, NodeError> {
    let mut backoff = Backoff::new(RETRY);
    loop {
        let (host, publishing) = (host.to_owned(), publishing.clone());
        let read = move || publishing.published(host.clone(), Remembered::of(&host), Remembered::add);
        let read = tokio::task::spawn_blocking(read).await;
        let error = match read.map_err(|error| NodeError::Ended(error.to_string()))? {
            Ok(remembered) => return Ok(remembered),
            Err(error @ PublishError::Ended) => return Err(error.into()),
            Err(error) => error,
        };
        let failed = backoff.failed();
        if failed.is_logged() {
            eprintln!("warning: {error}; reading the log again in {} s", failed.wait.as_secs_f64().ceil());
        }
        tokio::time::sleep(failed.wait).await;
    }
}

/// Refuses a registry beside a cluster with Image objects.
async fn refuse_two_identities(cluster: &Cluster) -> Result<(), NodeError> {
    if !cluster.has_images().await? {
        return Ok(());
    }
    Err(NodeError::Usage(
        "this cluster has Image objects, which know their layers by blob digests, and a registry's images are known by \
         diff IDs: an image of one would never be found to be built on an image of the other; run one clade for \
         each"
            .to_owned(),
    ))
}
