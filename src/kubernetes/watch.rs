//! Watches all kinds, in the order of their dependencies.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch as latest};
use tokio::task::JoinSet;

use super::RETRY;
use super::cluster::{Cluster, KubernetesError};
use super::declared::Declared;
use super::follow::follow;
use super::kinds::{BuildConfig, Image, ImageStream, Watched};
use super::raw::Kind;
use super::status::keep_status;
use super::workloads::watch_workloads;
use super::{ClassPolicy, ImageClass, ImageClassGroup, Sender};
use crate::class::Catalog;
use crate::retry::Backoff;

/// Interval at which a kind that the server does not have is looked for: it may be installed later.
const LOOK: Duration = Duration::from_secs(30);

/// Watches the cluster until the receiver is gone, and writes the status of classes and groups from the catalog. `workloads`
/// says whether it watches what runs as well.
///
/// Images come before the streams whose tags point at them, and those before the classes that follow tags: a class
/// that saw its tag before the newest image of it would call an older version current for a moment.
pub async fn watch(
    cluster: Cluster,
    catalog: latest::Receiver<Arc<Catalog>>,
    out: Sender,
    workloads: bool,
) -> Result<(), KubernetesError> {
    let stages = Stages { cluster, declared: Declared::default(), out, tasks: JoinSet::new() };
    stages.run(catalog, workloads).await
}

struct Stages {
    cluster: Cluster,
    declared: Declared,
    out: Sender,
    tasks: JoinSet<()>,
}

impl Stages {
    async fn run(
        mut self,
        catalog: latest::Receiver<Arc<Catalog>>,
        workloads: bool,
    ) -> Result<(), KubernetesError> {
        self.begin::<Image>().await;
        self.begin::<ImageStream>().await;
        self.begin::<BuildConfig>().await;
        self.begin::<ImageClass>().await;
        self.begin::<ImageClassGroup>().await;
        self.begin::<ClassPolicy>().await;
        self.tasks.spawn(keep_status(self.cluster.clone(), self.declared.clone(), catalog));
        if workloads {
            self.tasks.spawn(watch_workloads(self.cluster.clone(), self.out.clone()));
        }
        // Each task ends when the receiver is gone.
        match self.tasks.join_next().await {
            Some(Err(panicked)) => Err(KubernetesError::Api(format!("a watch has ended: {panicked}"))),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Starts to follow a kind, and waits until its whole list was sent. It does not wait for a kind that the server
    /// does not have or does not let clade see.
    async fn begin<K: Watched>(&mut self) {
        let (told, listed) = oneshot::channel();
        let has = has::<K>(&self.cluster).await;
        if !has {
            tracing::info!(kind = K::KIND, group = K::GROUP, "the API server does not have this kind");
        }
        let (cluster, declared, out) = (self.cluster.clone(), self.declared.clone(), self.out.clone());
        self.tasks.spawn(async move {
            if !has {
                tokio::time::sleep(LOOK).await;
                wait_for::<K>(&cluster).await;
            }
            follow::<K>(cluster, declared, out, told).await;
        });
        if has {
            // An error means that the task has ended, which is reported elsewhere.
            let _ = listed.await;
        }
    }
}

/// Returns once the server has a kind.
pub(super) async fn wait_for<K: Kind>(cluster: &Cluster) {
    while !has::<K>(cluster).await {
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns `true` if the server has a kind. Retries until the server answers.
async fn has<K: Kind>(cluster: &Cluster) -> bool {
    let mut backoff = Backoff::new(RETRY);
    loop {
        match cluster.has::<K>().await {
            Ok(has) => return has,
            Err(error) => {
                let failure = backoff.failed();
                let wait = failure.wait;
                if failure.is_logged() {
                    tracing::warn!(kind = K::KIND, "{error}; asking again in {:.1} s", wait.as_secs_f64());
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}
