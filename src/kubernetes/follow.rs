//! Following one kind: its list, and what changes from then on.

use std::collections::HashSet;
use std::time::Duration;

use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::oneshot;
use tokio_stream::StreamExt as _;
use watcher::Event;

use super::cluster::{Cluster, told};
use super::declared::Declared;
use super::kinds::{Watched, observe};
use super::raw::Raw;
use super::{SOURCE, Sender};
use crate::publisher::Observation;

/// So many events are taken together.
const BATCH: u16 = 500;
/// So long is waited for more of them.
const PATIENCE: Duration = Duration::from_millis(50);

/// Follows a kind until nobody listens any more. `listed` is told once all objects have been handed on.
pub(super) async fn follow<K: Watched>(
    cluster: Cluster,
    declared: Declared,
    out: Sender,
    listed: oneshot::Sender<()>,
) {
    let api: Api<Raw<K>> = Api::all(cluster.client());
    let events = watcher(api, watcher::Config::default().page_size(u32::from(BATCH))).default_backoff();
    let mut events = std::pin::pin!(events.chunks_timeout(usize::from(BATCH), PATIENCE));
    let mut keys = HashSet::new();
    let mut listed = Some(listed);
    let mut failures = 0_u32;
    while let Some(chunk) = events.next().await {
        let mut seen = Vec::with_capacity(chunk.len());
        let mut is_listed = false;
        for event in chunk {
            match event {
                Ok(event) => {
                    failures = 0;
                    is_listed |= matches!(event, Event::InitDone);
                    take(event, &declared, &mut keys, &mut seen);
                }
                Err(error) => {
                    failures += 1;
                    // Nobody waits for what cannot be seen.
                    is_listed |= is_refused(&error);
                    // It is tried again, ever more rarely; said at first, and then now and then.
                    if failures.is_power_of_two() {
                        tracing::warn!(kind = K::KIND, failures, "cannot watch: {}", why(&error));
                    }
                }
            }
        }
        if !seen.is_empty() && out.send(seen).await.is_err() {
            return;
        }
        if is_listed && let Some(listed) = listed.take() {
            // Nobody waits for some of them.
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
        // A list that broke off half way begins anew: it says nothing of what is not in it.
        Event::Init => keys.clear(),
        Event::InitApply(object) => {
            keys.insert(object.key());
            seen.extend(observe(&object, declared));
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

/// Whether the server has said that it is not allowed.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.is_forbidden())
}

/// In words for people.
pub(super) fn why(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => told(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}
