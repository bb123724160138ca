//! The events of one watch, with a wait after each failure.

use std::fmt::Debug;
use std::time::Duration;

use kube::runtime::watcher::{self, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_stream::{Stream, StreamExt as _};

use super::RETRY;
use super::cluster::told;
use crate::retry::Backoff;

/// So many events are taken together.
const BATCH: u16 = 500;
/// So long is waited for more of them.
const PATIENCE: Duration = Duration::from_millis(50);

/// What happens to the objects of an [`Api`], first of all its list. It never ends: what fails is told, and tried again.
///
/// `what` is what is watched, in the words of who is told.
pub(super) fn events<K>(
    api: Api<K>,
    what: &'static str,
) -> impl Stream<Item = Vec<Result<Event<K>, Error>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().page_size(u32::from(BATCH));
    let mut backoff = Backoff::new(RETRY);
    let patient = watcher(api, config).then(move |event| {
        let wait = match &event {
            Ok(_) => {
                backoff.succeeded();
                None
            }
            Err(error) => {
                if is_expired(error) {
                    backoff.succeeded();
                }
                let failure = backoff.failed();
                if failure.is_logged() {
                    tracing::warn!(what, failures = failure.times, "cannot watch: {}", why(error));
                }
                Some(failure.wait)
            }
        };
        async move {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            event
        }
    });
    patient.chunks_timeout(usize::from(BATCH), PATIENCE)
}

/// Whether the server has forgotten what came after the last event that was seen, as it has after a restart: all is
/// listed anew next, and as the server answers, not only after the wait for one that was away.
fn is_expired(error: &Error) -> bool {
    match error {
        Error::WatchError(status) => status.code == 410,
        Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

/// In words for people.
fn why(error: &Error) -> String {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            told(error)
        }
        Error::WatchError(status) => status.message.clone(),
        Error::NoResourceVersion => error.to_string(),
    }
}
