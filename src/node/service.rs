//! Services: the work of a process besides its API.

use std::pin::Pin;

use tokio::task::JoinSet;

use super::NodeError;

/// Work that lasts as long as its process. Its end ends the process with an error.
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

/// The services that run. Dropping it drops them.
#[derive(Default)]
pub(super) struct Running(JoinSet<(&'static str, Result<(), NodeError>)>);

impl Running {
    /// Runs these services as well.
    pub(super) fn start(&mut self, services: impl IntoIterator<Item = Service>) {
        for Service { name, running } in services {
            self.0.spawn(async move { (name, running.await) });
        }
    }

    /// Waits until the first service has ended, for ever if there are none.
    pub(super) async fn ended(&mut self) -> NodeError {
        match self.0.join_next().await {
            Some(Ok((_, Err(error)))) => error,
            Some(Ok((name, Ok(())))) => NodeError::Ended(format!("the service {name:?} has ended")),
            Some(Err(panicked)) => NodeError::Ended(format!("a service has panicked: {panicked}")),
            None => std::future::pending().await,
        }
    }

    /// Drops the services, and waits until all of them have let go.
    pub(super) async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn run(services: Vec<Service>) -> NodeError {
        let mut running = Running::default();
        running.start(services);
        let ended = running.ended().await;
        running.stop().await;
        ended
    }

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
        assert!(matches!(ended, NodeError::Usage(_)), "{ended:?}");
        assert_eq!(Arc::strong_count(&witness), 1, "the other service goes on");
    }

    #[tokio::test]
    async fn a_service_that_ends_without_an_error_ends_the_process_with_one() {
        let ended = run(vec![Service::new("silent", async { Ok(()) })]).await;
        assert!(matches!(&ended, NodeError::Ended(told) if told.contains("silent")), "{ended:?}");
    }

    #[tokio::test]
    async fn a_service_that_panics_ends_the_process_with_an_error() {
        let ended = run(vec![Service::new("panicking", async { panic!("as a test") })]).await;
        assert!(matches!(ended, NodeError::Ended(_)), "{ended:?}");
    }
}
