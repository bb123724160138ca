//! Works out what runs: from pods, their owners, nodes and namespaces to workloads. Pure: no I/O, no clock.
//!
//! ```text
//!   JSON ─► read.rs ─► Object ─► Workloads::put, remove, keep ─► changed workloads ─► drain: one record each
//! ```
//!
//! Of a pod it keeps the owner, the node and the images; pods that are alike share that. Changes only note which
//! workloads they are about, and [`Workloads::drain`] makes their records: whoever drains once a second writes a workload at
//! most once a second, however fast its pods change. The notes are bounded by the number of workloads.

mod index;
mod interner;
mod object;
mod read;
mod sum;
mod template;

pub use index::Workloads;
pub use object::{Controller, Kind, Node, Object, Owner, Pod, Shape, ShapeContainer, Space};
pub use read::{read, running_image};
pub use template::asked;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests;
