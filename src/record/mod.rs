//! What stands on the log: one file a topic. Keys, values, headers and versions; no I/O.

pub mod topic;

pub use topic::{Cleanup, Topic};
