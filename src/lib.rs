//! clade: which container images are built on what, and is it the current version?
//!
//! The program is `clade`. As a library, this crate is for programs that use clade's data:
//!
//! - [`subscribe`]: events of a class, a namespace or a repository, from Apache Kafka or from a data directory;
//! - [`record`]: the records on clade's topics, as Rust types with their JSON form;
//! - [`client`]: a client of the HTTP API of a running clade process;
//! - [`log`]: the two logs that the others read from;
//! - [`oci`]: digests, chain IDs, platforms and references.
//!
//! Everything else is private. The feature `internals` makes it visible to the tests and benchmarks of this repository; it
//! changes from one commit to the next.
//!
//! ```no_run
//! use clade::log::kafka::{Config, KafkaLog};
//! use clade::record::Topic;
//! use clade::subscribe::{Next, Start, Subscription};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = KafkaLog::open(Config::new("kafka:9092", ""))?;
//! let mut events = Subscription::of(Topic::Outdated).start(Start::End).follow(true).open(&log)?;
//! while let Next::Event(event) = events.next_within(std::time::Duration::from_secs(1))? {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The modules stand in tiers; each imports only from those above it. ARCHITECTURE.md has the whole picture.

#![cfg_attr(
    not(feature = "internals"),
    allow(
        unused_imports,
        reason = "a module names the types of its surface, whether the program names them or not"
    )
)]

pub mod client;
pub mod log;
pub mod oci;
pub mod record;
pub mod subscribe;

/// Runs the program `clade` with the arguments of this process, and returns its exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}

// Two lists rather than a macro: rustfmt does not find the files of modules that a macro declares.
#[cfg(not(feature = "internals"))]
mod access;
#[cfg(not(feature = "internals"))]
mod admission;
#[cfg(not(feature = "internals"))]
mod api;
#[cfg(not(feature = "internals"))]
mod audit;
#[cfg(not(feature = "internals"))]
mod checksum;
#[cfg(not(feature = "internals"))]
mod class;
#[cfg(not(feature = "internals"))]
mod cli;
#[cfg(not(feature = "internals"))]
mod compress;
#[cfg(not(feature = "internals"))]
mod crypto;
#[cfg(not(feature = "internals"))]
mod decisions;
#[cfg(not(feature = "internals"))]
mod declare;
#[cfg(not(feature = "internals"))]
mod engine;
#[cfg(not(feature = "internals"))]
mod http;
#[cfg(not(feature = "internals"))]
mod index;
#[cfg(not(feature = "internals"))]
mod kubernetes;
#[cfg(not(feature = "internals"))]
mod labeler;
#[cfg(not(feature = "internals"))]
mod node;
#[cfg(not(feature = "internals"))]
mod observe;
#[cfg(not(feature = "internals"))]
mod openshift;
#[cfg(not(feature = "internals"))]
mod plan;
#[cfg(not(feature = "internals"))]
mod policy;
#[cfg(not(feature = "internals"))]
mod processor;
#[cfg(not(feature = "internals"))]
mod publisher;
#[cfg(not(feature = "internals"))]
mod query;
#[cfg(not(feature = "internals"))]
mod rebuilder;
#[cfg(not(feature = "internals"))]
mod registry;
#[cfg(not(feature = "internals"))]
mod reload;
#[cfg(not(feature = "internals"))]
mod reporter;
#[cfg(not(feature = "internals"))]
mod retry;
#[cfg(not(feature = "internals"))]
mod shard;
#[cfg(not(feature = "internals"))]
mod snapshot;
#[cfg(not(feature = "internals"))]
mod source;
#[cfg(not(feature = "internals"))]
mod telemetry;
#[cfg(not(feature = "internals"))]
mod topics;
#[cfg(not(feature = "internals"))]
mod view;
#[cfg(not(feature = "internals"))]
mod workload;
#[cfg(not(feature = "internals"))]
mod yaml;

#[cfg(feature = "internals")]
pub mod access;
#[cfg(feature = "internals")]
pub mod admission;
#[cfg(feature = "internals")]
pub mod api;
#[cfg(feature = "internals")]
pub mod audit;
#[cfg(feature = "internals")]
pub mod checksum;
#[cfg(feature = "internals")]
pub mod class;
#[cfg(feature = "internals")]
pub mod cli;
#[cfg(feature = "internals")]
pub mod compress;
#[cfg(feature = "internals")]
pub mod crypto;
#[cfg(feature = "internals")]
pub mod decisions;
#[cfg(feature = "internals")]
pub mod declare;
#[cfg(feature = "internals")]
pub mod engine;
#[cfg(feature = "internals")]
pub mod http;
#[cfg(feature = "internals")]
pub mod index;
#[cfg(feature = "internals")]
pub mod kubernetes;
#[cfg(feature = "internals")]
pub mod labeler;
#[cfg(feature = "internals")]
pub mod node;
#[cfg(feature = "internals")]
pub mod observe;
#[cfg(feature = "internals")]
pub mod openshift;
#[cfg(feature = "internals")]
pub mod plan;
#[cfg(feature = "internals")]
pub mod policy;
#[cfg(feature = "internals")]
pub mod processor;
#[cfg(feature = "internals")]
pub mod publisher;
#[cfg(feature = "internals")]
pub mod query;
#[cfg(feature = "internals")]
pub mod rebuilder;
#[cfg(feature = "internals")]
pub mod registry;
#[cfg(feature = "internals")]
pub mod reload;
#[cfg(feature = "internals")]
pub mod reporter;
#[cfg(feature = "internals")]
pub mod retry;
#[cfg(feature = "internals")]
pub mod shard;
#[cfg(feature = "internals")]
pub mod snapshot;
#[cfg(feature = "internals")]
pub mod source;
#[cfg(feature = "internals")]
pub mod telemetry;
#[cfg(feature = "internals")]
pub mod topics;
#[cfg(feature = "internals")]
pub mod view;
#[cfg(feature = "internals")]
pub mod workload;
#[cfg(feature = "internals")]
pub mod yaml;
