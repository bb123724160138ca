//! The events of one watch, with a delay after each failure.

use std::fmt::Debug;
use std::time::Duration;

use kube::runtime::watcher::{self, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_stream::{Stream, StreamExt as _};

use super::RETRY;
use super::cluster::told;
use crate::retry::Backoff;

/// Events in one batch, at most.
const BATCH: u16 = 500;
/// Time to wait for further events of a batch.
const PATIENCE: Duration = Duration::from_millis(50);

/// Streams the changes of the objects of an [`Api`], beginning with their list. It never ends: failures are logged and
/// retried.
///
/// `what` names the objects in log lines.
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
            // It only announces a list, which may be refused.
            Ok(Event::Init) => None,
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

/// Returns `true` if the server has forgotten the changes after the last event, as it has after a restart. The next
/// step lists all objects again, without a delay, since the server does answer.
fn is_expired(error: &Error) -> bool {
    match error {
        Error::WatchError(status) => status.code == 410,
        Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

/// The error in words for people.
fn why(error: &Error) -> String {
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            told(error)
        }
        Error::WatchError(status) => status.message.clone(),
        Error::NoResourceVersion => error.to_string(),
    }
}
