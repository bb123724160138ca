//! The vocabulary of the Open Container Initiative: digests, layers, platforms, references and documents.
//!
//! Everything here is pure: values, their parsing and their printing. Nothing reads a file or the network.

pub mod digest;
pub mod document;
pub mod layer;
pub mod lenient;
pub mod platform;
pub mod reference;
pub mod tag_pattern;
pub mod time;
pub mod wildcard;

pub use digest::{Digest, DigestError};
pub use layer::{ChainId, LayerChain, LayerIdentity};
pub use platform::Platform;
pub use reference::Reference;

/// A point in time as RFC 3339 text, as `2018-01-27T00:00:00Z`.
pub use jiff::Timestamp;
