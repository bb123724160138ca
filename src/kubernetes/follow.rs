//! Follows one kind: its list, and the changes from then on.

use std::collections::HashSet;

use kube::Api;
use kube::runtime::watcher::{self, Event};
use tokio::sync::oneshot;
use tokio_stream::StreamExt as _;

use super::cluster::Cluster;
use super::declared::Declared;
use super::events::events;
use super::kinds::{Watched, observe};
use super::raw::Raw;
use super::{SOURCE, Sender};
use crate::observe::Observation;

/// Follows a kind until the receiver is gone. `listed` is signalled once all objects of the list were sent.
pub(super) async fn follow<K: Watched>(
    cluster: Cluster,
    declared: Declared,
    out: Sender,
    listed: oneshot::Sender<()>,
) {
    let mut events = std::pin::pin!(events(Api::<Raw<K>>::all(cluster.client()), K::KIND));
    let mut keys = HashSet::new();
    let mut listed = Some(listed);
    while let Some(chunk) = events.next().await {
        let mut seen = Vec::with_capacity(chunk.len());
        let mut is_listed = false;
        for event in chunk {
            match event {
                Ok(event) => {
                    is_listed |= matches!(event, Event::InitDone);
                    take(event, &declared, &mut keys, &mut seen);
                }
                // Nothing has to wait for objects that clade may not see.
                Err(error) => is_listed |= is_refused(&error),
            }
        }
        if !seen.is_empty() && out.send(seen).await.is_err() {
            return;
        }
        if is_listed && let Some(listed) = listed.take() {
            // The caller may have dropped its end.
            let _ = listed.send(());
        }
    }
}

fn take<K: Watched>(
    event: Event<Raw<K>>,
    declared: &Declared,
    keys: &mut HashSet<String>,
    seen: &mut Vec<Observation>,
) {
    match event {
        // A list that broke off half way begins again: it proves no deletion.
        Event::Init => keys.clear(),
        Event::InitApply(object) => {
            let observed = observe(&object, declared);
            seen.extend(K::remembered(&object.key(), declared));
            seen.extend(observed);
            keys.insert(object.key());
        }
        Event::InitDone => {
            tracing::info!(kind = K::KIND, objects = keys.len(), "listed");
            let listing = K::listing(std::mem::take(keys), declared);
            seen.push(Observation::Listed(SOURCE.to_owned(), listing));
        }
        Event::Apply(object) => seen.extend(observe(&object, declared)),
        Event::Delete(object) => seen.extend(K::gone(&object, declared)),
    }
}

/// Returns `true` if the server has refused permission.
pub(super) fn is_refused(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.is_forbidden())
}
