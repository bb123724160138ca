//! OCI registries as live sources: everything is looked at once, then again and again, and at once where the registry tells
//! of a change.
//!
//! ```text
//!   names ─► tags ─► HEAD each: its digest ─► what is not known: index ─► manifests ─► configs (diff IDs) ─► observations
//! ```
//!
//! What a digest leads to never changes, so it is read once: afterwards a tag that has not moved costs one request. What is
//! missing from a list counts as deleted once the list was read whole: a registry that is away, slow or refuses us loses
//! nothing, and an image that it refuses hides no other. What vanishes as a whole is believed when it is seen a second time.

mod access;
mod challenge;
mod client;
mod config;
mod credentials;
mod document;
mod error;
mod known;
mod list;
mod look;
pub mod notice;
mod pace;
mod pattern;
mod sink;
mod watcher;

use tokio::sync::mpsc;

pub use config::Config;
pub use error::RegistryError;
pub use notice::Notice;
pub use pattern::Pattern;

use crate::observe::Observation;
use known::Platforms;
use watcher::{Shared, Watcher};

/// Watches a registry until nobody takes observations any more. What goes wrong meanwhile is told and tried again, ever more
/// rarely; only what cannot be watched as it is configured ends it with an error.
pub async fn watch(
    config: Config,
    notified: mpsc::Receiver<Notice>,
    out: mpsc::Sender<Vec<Observation>>,
) -> Result<(), RegistryError> {
    let client = client::Client::new(&config)?;
    let shared = Shared { client, platforms: Platforms::default(), config, out };
    let _closed = Watcher::default().run(&shared, notified).await;
    Ok(())
}
