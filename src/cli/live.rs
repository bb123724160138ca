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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::log::SharedLog;
    use crate::log::memory::{Faults, MemoryLog, Rates};
    use crate::oci::Digest;
    use crate::processor::Options;
    use crate::publisher::Publisher;
    use crate::record::Timestamp;

    fn image(number: u32) -> Observation {
        let digest = Digest::of(&number.to_be_bytes());
        let image = serde_json::json!({
            "digest": digest, "sequence": 0, "platform": {"os": "linux", "architecture": "amd64"},
            "layerIdentity": "diff-id", "layers": [{"digest": digest}],
        });
        Observation::Image(Box::new(serde_json::from_value(image).unwrap()))
    }

    #[tokio::test]
    async fn what_could_not_be_published_is_published_again() {
        let rates = Rates { crash_before: 300, crash_after: 200, ..Rates::default() };
        let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::seeded(4, rates)));
        let engine = Engine::publish_only(SharedLog::clone(&log), &Options::default());
        let (out, observations) = channel();
        let (told, _catalog) = latest::channel(Arc::default());
        let feeding = tokio::spawn(feed(ApiState::new(Arc::new(engine)), observations, told));
        for number in 0..8 {
            out.send(vec![image(number)]).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(out);
        feeding.await.unwrap().unwrap();
        let mut publisher = Publisher::restore(log, Timestamp::now).unwrap();
        (0..8).for_each(|number| publisher.observe(image(number)).unwrap());
        assert_eq!(publisher.counts().unchanged_images, 8);
    }
}
