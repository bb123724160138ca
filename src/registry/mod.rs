//! OCI registries as live sources. The watcher polls a registry again and again, and at once if the registry announces
//! a change.
//!
//! ```text
//!   names ─► tags ─► HEAD each: its digest ─► unknown ones: index ─► manifests ─► configs (diff IDs) ─► observations
//! ```
//!
//! The content of a digest never changes, so clade reads it once: afterwards a tag that has not moved costs one
//! request. An entry that is missing from a list counts as deleted only if clade has read the whole list. So a registry
//! that is away, slow or refuses access loses nothing, and an image that it refuses hides no other. If a large part
//! vanishes at once, clade deletes it only after a second poll has confirmed it.

mod access;
mod attestation;
mod challenge;
mod claimed;
mod client;
mod config;
mod credentials;
mod document;
mod documents;
mod error;
mod known;
mod list;
mod look;
pub mod notice;
mod pace;
mod pass;
mod pattern;
mod poll;
mod progress;
mod remembered;
mod sink;
mod watcher;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

pub use config::Config;
pub use error::RegistryError;
pub use notice::Notice;
pub use pattern::Pattern;
pub use remembered::Remembered;

use crate::observe::{Observation, Wanted};
use crate::telemetry::RegistriesMetrics;
use watcher::{Shared, Watcher};

/// Watches a registry until the receiver of observations is closed. Errors meanwhile are logged, and the watcher
/// retries ever more rarely. `remembered` is what was published of the registry before, and `wanted` has the digests that
/// the publisher would like to see. Returns an error only if clade cannot watch the registry with these settings.
pub async fn watch(
    config: Config,
    remembered: Remembered,
    notified: mpsc::Receiver<Notice>,
    wanted: watch::Receiver<Option<Arc<Wanted>>>,
    metrics: &RegistriesMetrics,
    out: mpsc::Sender<Vec<Observation>>,
) -> Result<(), RegistryError> {
    let client = client::Client::new(&config, metrics.of(&config.host))?;
    let (platforms, repositories) = remembered.into_parts();
    let shared = Shared { client, platforms, config, wanted, out };
    let _closed = Watcher::new(repositories).run(&shared, notified).await;
    Ok(())
}
