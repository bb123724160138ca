//! Makes a new log of what can still be read of a damaged one.
//!
//! ```text
//!   log.redb ─► (each partition: the ranges that can be read) ─► parts of a copy ─► backup::Restoring ─► a new log.redb
//! ```
//! The damaged file stays as it is: it may be the only one there is.

mod gaps;
mod salvage;

pub use salvage::{Salvage, Salvaged, salvage};
