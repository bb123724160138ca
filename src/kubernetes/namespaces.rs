//! The labels of namespaces, followed by a watch and kept in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio_stream::StreamExt as _;

use super::cluster::{Cluster, told};

/// Time limit for a look at one namespace that the watch has not seen yet.
const PATIENCE: Duration = Duration::from_secs(2);

type Object = PartialObjectMeta<Namespace>;

/// The labels of the namespaces of a cluster. Clones share them.
#[derive(Clone)]
pub struct NamespaceLabels {
    store: Store<Object>,
    api: Api<Object>,
}

impl NamespaceLabels {
    /// The labels, and the work that follows them, which ends only with the cluster's client.
    pub fn follow(cluster: &Cluster) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = reflector::store();
        let api: Api<Object> = Api::all(cluster.client());
        let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
        let following = async move {
            let mut events = std::pin::pin!(events.reflect(writer));
            while let Some(event) = events.next().await {
                if let Err(error) = event {
                    tracing::warn!("cannot follow the namespaces: {error}");
                }
            }
        };
        (Self { store, api }, following)
    }

    /// The labels of a namespace. One that was made a moment ago is asked for; the error says why it is not known.
    pub async fn labels(&self, namespace: &str) -> Result<BTreeMap<String, String>, String> {
        if let Some(known) = self.store.get(&ObjectRef::new(namespace)) {
            return Ok(known.metadata.labels.clone().unwrap_or_default());
        }
        let asked = tokio::time::timeout(PATIENCE, self.api.get_metadata(namespace)).await;
        let late = |_| format!("the API server has not answered within {} s", PATIENCE.as_secs());
        let found = asked.map_err(late)?.map_err(|error| told(&error))?;
        Ok(found.metadata.labels.unwrap_or_default())
    }
}
