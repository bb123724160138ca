//! Serves the HTTP API: routes, and nothing else. It uses three traits, which `node` implements.
//!
//! ```text
//!   request ─► permission (allowed) ─► restored partitions (restored) ─► handler ─► Ask | Declare | Command
//! ```
//!
//! The command line uses it too: over TCP if a process runs on the data directory, or else in its own process without a
//! socket.

mod addresses;
mod admission;
mod allowed;
mod answers;
mod audit;
mod backup;
mod client;
mod conditional;
mod crossing;
mod error;
mod hosts;
mod identity;
mod lasting;
mod limits;
mod notify;
mod openapi;
mod page;
mod position;
mod probe;
mod read;
mod rebuild;
mod restored;
mod routes;
mod server;
mod stream;
mod subscribe;
mod write;

pub use axum::Router;

pub use admission::{Admission, Labels, Namespaces, admission};
pub use allowed::Access;
pub use answers::{Applied, Ask, Asking, Audited, Command, Declare, Kind};
pub use client::{Client, ClientError, Server};
#[cfg(feature = "internals")]
pub use error::CODES;
pub use error::{ApiError, Problem};
pub use hosts::known_hosts;
pub use identity::identified;
pub use notify::notifications;
pub use openapi::openapi;
pub use page::router as page;
pub use probe::{Status, bare_probes, probes};
pub use read::behind;
#[cfg(feature = "internals")]
pub use routes::needs;
pub use routes::{Api, router};
pub use server::{Tls, serve};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests;
