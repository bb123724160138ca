//! The HTTP API. The command line asks here too: over TCP where a process runs on the data directory, else in its own
//! process without a socket.

mod allowed;
mod client;
mod error;
mod identity;
mod manifest;
mod notify;
mod probe;
mod read;
mod rebuild;
mod restored;
mod stream;
pub mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{any, delete, get, post};

pub use client::{Client, ClientError, runtime};
pub use error::ErrorBody;
pub use identity::identified;
pub use manifest::{Manifest, ManifestError};
pub use notify::notifications;
pub use probe::{Status, probes};
pub use rebuild::Asking;

use crate::engine::{Engine, Role};
use crate::log::SharedLog;
use crate::publisher::{Indexes, PublishError, Publisher};
use crate::rebuilder::Rebuilds;
use error::ApiError;

/// What the handlers share.
#[derive(Clone)]
pub struct ApiState {
    engine: Arc<Engine>,
    /// Held while writing; a write waits for the one before it.
    shared: Arc<Mutex<Shared>>,
    delay: Duration,
    rebuilds: Rebuilds,
    /// With it, commands may come from other machines.
    command_token: Option<Arc<str>>,
    /// Whether classes and groups are custom resources of a cluster.
    is_declared_in_kubernetes: bool,
}

/// The publisher that is shared: made when something is first written.
#[derive(Default)]
struct Shared {
    publisher: Option<Publisher>,
    /// What the last one knew of image indexes, if it has failed.
    indexes: Indexes,
}

impl ApiState {
    /// The API of an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let rebuilds = Rebuilds::new(SharedLog::clone(engine.log()));
        Self {
            engine,
            shared: Arc::default(),
            delay: Duration::ZERO,
            rebuilds,
            command_token: None,
            is_declared_in_kubernetes: false,
        }
    }

    /// Classes and groups are declared as custom resources of a cluster, and nowhere else.
    #[must_use]
    pub fn with_declarations_in_kubernetes(self) -> Self {
        Self { is_declared_in_kubernetes: true, ..self }
    }

    /// Whoever has this token may command from other machines.
    #[must_use]
    pub fn with_command_token(self, token: Option<String>) -> Self {
        Self { command_token: token.map(Arc::from), ..self }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The rebuilds, for who carries them out.
    pub fn rebuilds(&self) -> &Rebuilds {
        &self.rebuilds
    }

    /// Tags of live sources that move from one image index to another count once they have rested for so long.
    #[must_use]
    pub fn settling(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Publishes with the publisher that the API and the sources of a process share, a call after the other; each flushes.
    /// One that fails does not know what it has written: the next call begins with what is on the log.
    pub fn publish<T, E: From<PublishError>>(
        &self,
        publish: impl FnOnce(&mut Publisher) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut publisher = match shared.publisher.take() {
            Some(publisher) => publisher,
            None => {
                let publisher = self.engine.publisher()?.settling(self.delay);
                publisher.knowing(std::mem::take(&mut shared.indexes))
            }
        };
        let before = publisher.counts();
        let published = publish(&mut publisher);
        if published.is_err() {
            // Sources tell of image indexes only once.
            shared.indexes = publisher.into_indexes();
            return published;
        }
        let letters = publisher.counts().dead_letters - before.dead_letters;
        self.engine.metrics().dead_letters.inc_by(letters);
        shared.publisher = Some(publisher);
        published
    }
}

/// Answers until the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, router: Router) -> std::io::Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Everything that the engine's role allows, and the probes.
pub fn router(state: ApiState) -> Router {
    let engine = Arc::clone(state.engine());
    let metrics = engine.metrics().clone();
    let status = move || Status::new(engine.status(), engine.check().err().map(|error| error.to_string()));
    let probes = probes(metrics, Arc::new(status));
    const DECLARATIONS: &[&str] = &["/v1/apply", "/v1/classes", "/v1/groups"];
    let write = Router::new()
        .route("/v1/apply", post(write::apply))
        .route("/v1/classes", delete(write::delete_class))
        .route("/v1/groups", delete(write::delete_group));
    let write = match state.is_declared_in_kubernetes {
        true => refuse(
            DECLARATIONS,
            "classes and groups are custom resources of the cluster that this clade watches: declare and delete them \
             there, with kubectl",
        ),
        // A class can have builds begin by itself.
        false => write.route_layer(from_fn_with_state(state.clone(), allowed::commands)),
    };
    let read = Router::new()
        .route("/v1/images", get(read::images))
        .route("/v1/tags", get(read::tags))
        .route("/v1/classes", get(read::classes))
        .route("/v1/groups", get(read::groups))
        .route("/v1/ancestors", get(read::ancestors))
        .route("/v1/descendants", get(read::descendants))
        .route("/v1/explain", get(read::explain))
        .route("/v1/usage", get(read::usage))
        .route("/v1/lineage", get(stream::lineage))
        .merge(rebuild::questions())
        .merge(rebuild::commands().route_layer(from_fn_with_state(state.clone(), allowed::commands)))
        .route_layer(from_fn_with_state(state.clone(), restored::restored))
        // It reads the log by itself.
        .route("/v1/subscribe/{topic}", get(stream::subscribe));
    let routes = match state.engine().role() {
        Role::Processor => read.merge(write),
        Role::Follower => read.merge(refuse(
            DECLARATIONS,
            "this clade only reads: declare and delete at the one that watches (clade watch), with --server",
        )),
        Role::Publisher => write.merge(refuse(
            &[
                "/v1/images",
                "/v1/tags",
                "/v1/ancestors",
                "/v1/descendants",
                "/v1/explain",
                "/v1/usage",
                "/v1/lineage",
                "/v1/rebuilds",
                "/v1/rebuilds/plan",
                "/v1/rebuilds/{id}",
                "/v1/rebuilds/{id}/{change}",
            ],
            "this clade only publishes: ask one that serves (clade serve), with --server",
        )),
    };
    routes.layer(map_response(error::as_json)).with_state(state).merge(probes).fallback(error::no_path)
}

/// Says of what belongs to another process where to go.
fn refuse(paths: &[&str], reason: &'static str) -> Router<ApiState> {
    paths.iter().fold(Router::new(), |router, path| {
        let methods = if matches!(*path, "/v1/classes" | "/v1/groups") {
            delete(move || async move { ApiError::invalid(reason) })
        } else {
            any(move || async move { ApiError::invalid(reason) })
        };
        router.route(path, methods)
    })
}
