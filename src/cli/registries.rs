//! Watching registries beside whatever else a process does.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::args::RegistryArgs;
use super::error::CliError;
use crate::api::{self, Router};
use crate::publisher::Observation;
use crate::registry::{self, Config, Notice};

/// Notices that may wait for each registry. Of more, its next pass sees what they would have told.
const WAITING: usize = 256;

/// The registries of a process, not watched yet.
pub(super) struct Registries {
    watched: Vec<(Config, mpsc::Receiver<Notice>)>,
    router: Router,
}

impl Registries {
    pub(super) fn new(args: &RegistryArgs) -> Result<Self, CliError> {
        let (mut watched, mut notices) = (Vec::new(), Vec::new());
        for config in args.configs()? {
            let (notice, notified) = mpsc::channel(WAITING);
            watched.push((config, notified));
            notices.push(notice);
        }
        let router = match args.secret()? {
            Some(secret) => api::notifications(&secret, notices),
            None => Router::new(),
        };
        Ok(Self { watched, router })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// What takes notifications, if anybody may send some.
    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Watches all of them until one turns out not to be watchable as it is configured.
    pub(super) async fn watch(self, out: mpsc::Sender<Vec<Observation>>) -> CliError {
        let mut watching = JoinSet::new();
        for (config, notified) in self.watched {
            watching.spawn(registry::watch(config, notified, out.clone()));
        }
        while let Some(ended) = watching.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return CliError::failed(error),
                Err(panicked) => return CliError::failed(panicked),
            }
        }
        std::future::pending().await
    }
}
