//! From live sources to the publisher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch as latest};

use super::error::CliError;
use crate::api::ApiState;
use crate::class::Catalog;
use crate::publisher::Observation;

/// Portions that may wait for the publisher, from all sources together: enough that neither waits for the other, and few
/// enough that they take no memory worth mentioning.
const WAITING: usize = 16;
/// How often is looked whether a tag has settled.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure: the first wait, doubled each time, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// The way from sources to [`feed`].
pub(super) fn channel() -> (mpsc::Sender<Vec<Observation>>, mpsc::Receiver<Vec<Observation>>) {
    mpsc::channel(WAITING)
}

/// Publishes what live sources see until all of them have ended. They look only at what is new to them, so nothing may be
/// lost: what could not be published is published again, by a publisher that reads anew what is on the log. `catalog` is
/// told what it has become.
pub(super) async fn feed(
    state: ApiState,
    mut observations: mpsc::Receiver<Vec<Observation>>,
    catalog: latest::Sender<Arc<Catalog>>,
) -> Result<(), CliError> {
    let mut portions = Vec::new();
    loop {
        let received = observations.recv_many(&mut portions, WAITING);
        if let Ok(0) = tokio::time::timeout(LOOK, received).await {
            return Ok(());
        }
        let seen: Arc<Vec<Observation>> = Arc::new(portions.drain(..).flatten().collect());
        let mut failures = 0_u32;
        loop {
            state.engine().check()?;
            let (state, seen, catalog) = (state.clone(), Arc::clone(&seen), catalog.clone());
            let published = tokio::task::spawn_blocking(move || publish(&state, &seen, &catalog));
            let Err(error) = published.await.map_err(CliError::failed)? else { break };
            let wait = (FIRST_WAIT * 2_u32.pow(failures.min(10))).min(LONGEST_WAIT);
            let wait = wait.mul_f64(0.75 + fastrand::f64() / 2.0);
            failures += 1;
            eprintln!("warning: {error}; publishing it again in {} s", wait.as_secs_f64().ceil());
            tokio::time::sleep(wait).await;
        }
    }
}

fn publish(
    state: &ApiState,
    seen: &[Observation],
    told: &latest::Sender<Arc<Catalog>>,
) -> Result<(), CliError> {
    state.publish(|publisher| {
        seen.iter().try_for_each(|seen| publisher.observe(seen.clone()))?;
        publisher.settle();
        publisher.flush()?;
        let catalog = publisher.catalog();
        told.send_if_modified(|known| {
            let has_changed = !known.is_same(catalog);
            if has_changed {
                *known = Arc::new(catalog.clone());
            }
            has_changed
        });
        Ok(())
    })
}
