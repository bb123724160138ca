//! Passes observations from live sources to the publisher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::NodeError;
use crate::observe::Observation;
use crate::publisher::{PublishError, Publishing};
use crate::retry::{Backoff, Policy};

/// Batches that may wait for the publisher, from all sources together: enough that no source waits for another, and few
/// enough that they take no memory worth mentioning.
const WAITING: usize = 16;
/// Interval at which the feed checks whether a tag has settled.
const LOOK: Duration = Duration::from_secs(1);
/// Delays after a failure of the log.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(64));

/// The channel from sources to [`feed`].
pub(super) fn channel() -> (mpsc::Sender<Vec<Observation>>, mpsc::Receiver<Vec<Observation>>) {
    mpsc::channel(WAITING)
}

/// Publishes the observations of live sources until all sources have ended. A source reports only changes, so nothing
/// may be lost: observations that the log did not take are published again.
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
            // Without its thread the publisher takes nothing any more, however often it is asked.
            if matches!(error, PublishError::Ended) {
                return Err(error.into());
            }
            let failed = backoff.failed();
            if failed.is_logged() {
                eprintln!("warning: {error}; publishing it again in {} s", failed.wait.as_secs_f64().ceil());
            }
            tokio::time::sleep(failed.wait).await;
        }
    }
}
