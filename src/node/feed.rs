//! From live sources to the publisher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::NodeError;
use crate::observe::Observation;
use crate::publisher::Publishing;
use crate::retry::{Backoff, Policy};

/// Portions that may wait for the publisher, from all sources together: enough that no source waits for another, and few
/// enough that they take no memory worth mentioning.
const WAITING: usize = 16;
/// The feed looks so often whether a tag has settled.
const LOOK: Duration = Duration::from_secs(1);
/// The waits after a failure of the log.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(64));

/// The way from sources to [`feed`].
pub(super) fn channel() -> (mpsc::Sender<Vec<Observation>>, mpsc::Receiver<Vec<Observation>>) {
    mpsc::channel(WAITING)
}

/// Publishes what live sources see until all of them have ended. A source tells only what is new to it, so nothing may be lost:
/// what the log did not take is published again.
pub(super) async fn feed(
    publishing: Publishing,
    mut observations: mpsc::Receiver<Vec<Observation>>,
) -> Result<(), NodeError> {
    let mut portions = Vec::new();
    let mut backoff = Backoff::new(RETRY);
    loop {
        let received = observations.recv_many(&mut portions, WAITING);
        if let Ok(0) = tokio::time::timeout(LOOK, received).await {
            return Ok(());
        }
        let seen: Arc<Vec<Observation>> = Arc::new(portions.drain(..).flatten().collect());
        loop {
            let (publishing, seen) = (publishing.clone(), Arc::clone(&seen));
            let published = tokio::task::spawn_blocking(move || publishing.observe(seen));
            let Err(error) = published.await.map_err(|error| NodeError::Ended(error.to_string()))? else {
                backoff.succeeded();
                break;
            };
            let wait = backoff.failed().wait;
            eprintln!("warning: {error}; publishing it again in {} s", wait.as_secs_f64().ceil());
            tokio::time::sleep(wait).await;
        }
    }
}
