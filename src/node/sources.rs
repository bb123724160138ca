//! The sources of a process, each a service that feeds the publisher.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::feed::{channel, feed};
use super::service::Service;
use super::{NodeError, files};
use crate::api::{self, Router};
use crate::kubernetes::{self, Cluster};
use crate::publisher::Publishing;
use crate::registry::{self, Notice};

/// Notices that may wait for each registry. Of more, its next pass sees what they would have told.
const NOTICES: usize = 256;

/// Everything that a process takes in.
#[derive(Default)]
pub struct Sources {
    /// Files and folders.
    pub files: Vec<PathBuf>,
    /// Container registries.
    pub registries: Vec<registry::Config>,
    /// Whoever knows this secret may notify of changes in a registry.
    pub notify_secret: Option<Vec<u8>>,
    /// A Kubernetes or OpenShift cluster.
    pub cluster: Option<ClusterAccess>,
    /// How long a tag that moves from one image index to another has to rest.
    pub settle: Duration,
}

/// A cluster to work with.
#[derive(Debug, Clone)]
pub struct ClusterAccess {
    /// The context of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// The lease `namespace/name`: of several instances the one that holds it works.
    pub lease: Option<(String, String)>,
}

impl ClusterAccess {
    /// The connection.
    pub(super) async fn connect(&self) -> Result<Cluster, NodeError> {
        Ok(Cluster::new(self.context.clone()).await?)
    }
}

impl Sources {
    /// Whether there is any source.
    pub fn are_any(&self) -> bool {
        !self.files.is_empty() || !self.registries.is_empty() || self.cluster.is_some()
    }

    /// The connection to the cluster, if one is a source. An error for sources that do not go together.
    pub(super) async fn connect(&self) -> Result<Option<Cluster>, NodeError> {
        let Some(access) = &self.cluster else { return Ok(None) };
        Ok(Some(access.connect().await?))
    }

    /// The services that take everything in, and the routes that take notifications.
    pub(super) fn services(
        self,
        publishing: &Publishing,
        cluster: Option<&Cluster>,
    ) -> (Vec<Service>, Router) {
        let (out, observations) = channel();
        let mut services = vec![Service::new("files", files::watch(publishing.clone(), self.files))];
        if !self.registries.is_empty() || cluster.is_some() {
            services.push(Service::new("feed", feed(publishing.clone(), observations)));
        }
        let has_registries = !self.registries.is_empty();
        let mut notices = Vec::new();
        for config in self.registries {
            let (notice, notified) = mpsc::channel(NOTICES);
            notices.push(notice);
            let (cluster, out) = (cluster.cloned(), out.clone());
            services.push(Service::new("registry", watch_registry(cluster, config, notified, out)));
        }
        if let Some(cluster) = cluster.cloned() {
            let catalog = publishing.catalog();
            services.push(Service::new("cluster", async move {
                if has_registries {
                    refuse_two_identities(&cluster).await?;
                }
                Ok(kubernetes::watch(cluster, catalog, out).await?)
            }));
        }
        let router = match self.notify_secret {
            Some(secret) => api::notifications(&secret, notices),
            None => Router::new(),
        };
        (services, router)
    }
}

/// Watches a registry. Only one that cannot be watched as it is configured ends the service.
async fn watch_registry(
    cluster: Option<Cluster>,
    config: registry::Config,
    notified: mpsc::Receiver<Notice>,
    out: mpsc::Sender<Vec<crate::observe::Observation>>,
) -> Result<(), NodeError> {
    if let Some(cluster) = cluster {
        refuse_two_identities(&cluster).await?;
    }
    registry::watch(config, notified, out).await?;
    // Nobody takes observations any more, which another service has told.
    std::future::pending().await
}

/// Refuses a registry beside a cluster with Image objects. No source says anything before this has answered.
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
