//! The HTTP API. The command line asks here too: over TCP where a process runs on the data directory, else in its own
//! process without a socket.

mod client;
mod error;
mod manifest;
mod read;
mod stream;
pub mod write;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{get, post};

pub use client::{Client, ClientError, runtime};
pub use error::ErrorBody;
pub use manifest::{Manifest, ManifestError};

use crate::engine::Engine;
use crate::publisher::Publisher;

/// What the handlers share.
#[derive(Clone)]
pub struct ApiState {
    engine: Arc<Engine>,
    /// Made when something is first written. Held while writing; a write waits for the one before it.
    publisher: Arc<Mutex<Option<Publisher>>>,
}

impl ApiState {
    /// The API of an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, publisher: Arc::default() }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The publisher that the API writes with, shared with sources of the same process.
    pub fn publisher(&self) -> &Arc<Mutex<Option<Publisher>>> {
        &self.publisher
    }
}

/// Answers until the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, state: ApiState) -> std::io::Result<()> {
    axum::serve(listener, router(state)).await
}

fn router(state: ApiState) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/v1/images", get(read::images))
        .route("/v1/tags", get(read::tags))
        .route("/v1/classes", get(read::classes).delete(write::delete_class))
        .route("/v1/groups", get(read::groups).delete(write::delete_group))
        .route("/v1/ancestors", get(read::ancestors))
        .route("/v1/descendants", get(read::descendants))
        .route("/v1/explain", get(read::explain))
        .route("/v1/usage", get(read::usage))
        .route("/v1/lineage", get(stream::lineage))
        .route("/v1/subscribe/{topic}", get(stream::subscribe))
        .route("/v1/apply", post(write::apply))
        .with_state(state)
}
