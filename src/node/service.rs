//! Services: the work of a process besides its API.

use std::pin::Pin;

use tokio::task::JoinSet;

use super::NodeError;

/// Work that lasts as long as its process. Its end, with or without an error, ends the process.
pub(super) struct Service {
    name: &'static str,
    running: Pin<Box<dyn Future<Output = Result<(), NodeError>> + Send>>,
}

impl Service {
    /// Returns a service that does nothing before it is run.
    pub(super) fn new(
        name: &'static str,
        running: impl Future<Output = Result<(), NodeError>> + Send + 'static,
    ) -> Self {
        Self { name, running: Box::pin(running) }
    }
}

/// Runs all services until the first has ended, and drops the others. Without services it waits for ever.
pub(super) async fn run(services: Vec<Service>) -> Result<(), NodeError> {
    let mut running = JoinSet::new();
    for Service { name, running: service } in services {
        running.spawn(async move { (name, service.await) });
    }
    let ended = match running.join_next().await {
        Some(Ok((name, ended))) => {
            tracing::info!(service = name, "a service has ended");
            ended
        }
        Some(Err(panicked)) => Err(NodeError::Ended(format!("a service has panicked: {panicked}"))),
        None => std::future::pending().await,
    };
    running.shutdown().await;
    ended
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_end_of_one_service_ends_the_others() {
        let witness = Arc::new(());
        let held = Arc::clone(&witness);
        let forever = Service::new("forever", async move {
            let _held = held;
            std::future::pending().await
        });
        let failing = Service::new("failing", async { Err(NodeError::Usage("wrong".to_owned())) });
        let ended = run(vec![forever, failing]).await;
        assert!(matches!(ended, Err(NodeError::Usage(_))), "{ended:?}");
        assert_eq!(Arc::strong_count(&witness), 1, "the other service goes on");
    }

    #[tokio::test]
    async fn a_service_that_panics_ends_the_process_with_an_error() {
        let ended = run(vec![Service::new("panicking", async { panic!("as a test") })]).await;
        assert!(matches!(ended, Err(NodeError::Ended(_))), "{ended:?}");
    }
}
