//! From live sources to the publisher.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch as latest};

use super::error::CliError;
use crate::api::ApiState;
use crate::class::Catalog;
use crate::publisher::{Observation, Publisher};

/// So many batches of observations may wait: whoever observes more waits.
pub(super) const WAITING: usize = 16;
/// The first wait after a failure, which doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MOST_WAIT: Duration = Duration::from_secs(30);

/// Publishes what live sources observe, until none is left. What could not be published is published by the next
/// publisher. `told` has the catalog after each batch.
pub(super) async fn feed(
    state: ApiState,
    mut observations: mpsc::Receiver<Vec<Observation>>,
    told: latest::Sender<Arc<Catalog>>,
) -> Result<(), CliError> {
    while let Some(first) = observations.recv().await {
        // What waits already costs no commit of its own.
        let mut batch = first;
        while let Ok(more) = observations.try_recv() {
            batch.extend(more);
        }
        let batch = Arc::new(batch);
        let mut wait = FIRST_WAIT;
        loop {
            let (state, batch, told) = (state.clone(), Arc::clone(&batch), told.clone());
            let published = tokio::task::spawn_blocking(move || publish(&state, &batch, &told));
            let Err(error) = published.await.map_err(CliError::failed)? else { break };
            eprintln!("warning: {error}; trying again in {:.1} s", wait.as_secs_f64());
            tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
            wait = (wait * 2).min(MOST_WAIT);
        }
    }
    Ok(())
}

fn publish(
    state: &ApiState,
    batch: &[Observation],
    told: &latest::Sender<Arc<Catalog>>,
) -> Result<(), CliError> {
    let mut guard =
        state.publisher().lock().map_err(|_| CliError::failed("an earlier write has panicked"))?;
    let mut publisher: Publisher = match guard.take() {
        Some(publisher) => publisher,
        None => state.engine().publisher()?,
    };
    for observation in batch {
        publisher.observe(observation.clone())?;
    }
    publisher.flush()?;
    let catalog = publisher.catalog();
    told.send_if_modified(|known| {
        let has_changed = !known.is_same(catalog);
        if has_changed {
            *known = Arc::new(catalog.clone());
        }
        has_changed
    });
    // Put back only after success: a publisher that failed to write does not know what was written.
    *guard = Some(publisher);
    Ok(())
}
