//! The labels of namespaces, followed by a watch and kept in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::Semaphore;
use tokio_stream::StreamExt as _;

use super::cluster::{Cluster, told};

/// Time limit for a look at one namespace that the watch has not seen yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Look-ups at once of namespaces that the watch has not seen.
const AT_ONCE: usize = 8;

type Object = PartialObjectMeta<Namespace>;

/// The labels of the namespaces of a cluster. Clones share them.
#[derive(Clone)]
pub struct NamespaceLabels {
    store: Store<Object>,
    api: Api<Object>,
    turns: Arc<Semaphore>,
    is_listed: Arc<AtomicBool>,
}

impl NamespaceLabels {
    /// The labels, and the work that follows them, which ends only with the cluster's client.
    pub fn follow(cluster: &Cluster) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = reflector::store();
        let api: Api<Object> = Api::all(cluster.client());
        let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
        let is_listed = Arc::new(AtomicBool::new(false));
        let listed = Arc::clone(&is_listed);
        let following = async move {
            let mut events = std::pin::pin!(events.reflect(writer));
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::InitDone) => listed.store(true, Ordering::Relaxed),
                    Ok(_) => {}
                    Err(error) => tracing::warn!("cannot follow the namespaces: {error}"),
                }
            }
        };
        (Self { store, api, turns: Arc::new(Semaphore::new(AT_ONCE)), is_listed }, following)
    }

    /// Returns `true` once all namespaces were listed.
    pub fn are_listed(&self) -> bool {
        self.is_listed.load(Ordering::Relaxed)
    }

    /// The labels of a namespace. One that was made a moment ago is asked for; the error says why it is not known.
    pub async fn labels(&self, namespace: &str) -> Result<BTreeMap<String, String>, String> {
        if let Some(known) = self.store.get(&ObjectRef::new(namespace)) {
            return Ok(known.metadata.labels.clone().unwrap_or_default());
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if namespace.is_empty() || namespace.len() > 63 || !namespace.bytes().all(is_name) {
            return Err("that is no name of a namespace".to_owned());
        }
        let Ok(_turn) = self.turns.try_acquire() else {
            return Err("too many namespaces are being looked up".to_owned());
        };
        let asked = tokio::time::timeout(PATIENCE, self.api.get_metadata(namespace)).await;
        let late = |_| format!("the API server has not answered within {} s", PATIENCE.as_secs());
        let found = asked.map_err(late)?.map_err(|error| told(&error))?;
        Ok(found.metadata.labels.unwrap_or_default())
    }
}
