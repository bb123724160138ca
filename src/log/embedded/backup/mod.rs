//! Copies a log while others use it: a stream of its records as of one moment, and the log that is made of such a stream.
//!
//! ```text
//!   log.redb ─► (one read transaction) copy ─► parts ─► restore ─► log.redb.….new ─► check ─► log.redb
//! ```

mod copy;
mod parts;
mod restore;

pub(super) use copy::copy;
pub(super) use parts::Part;
pub use restore::{Restored, Restoring};
