//! clade: which container images are built on what, and is it the current version?
//!
//! ARCHITECTURE.md has the whole picture. The modules stand in tiers; each imports only from those above it.

// Pure vocabulary.
pub mod oci;
pub mod record;

// Pure logic.
pub mod class;
pub mod index;
pub mod plan;
pub mod shard;

// Adapters: the only users of each client library.
pub mod http;
pub mod log;
pub mod snapshot;
pub mod telemetry;
pub mod topics;
pub mod view;

// Services: they meet through records on the log.
pub mod audit;
pub mod kubernetes;
pub mod labeler;
pub mod openshift;
pub mod processor;
pub mod publisher;
pub mod query;
pub mod rebuilder;
pub mod registry;
pub mod source;
pub mod subscribe;

// The shell.
pub mod api;
pub mod cli;
pub mod engine;
