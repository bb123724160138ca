//! A client of the HTTP API of a running clade process, with its answers as Rust types.
//!
//! ```no_run
//! use clade::client::{Client, answer::{ClassItem, List}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::at("http://127.0.0.1:7878", None)?.ok_or("no clade answers there")?;
//! let classes: List<ClassItem> = client.get("/v1/classes", &())?;
//! for class in classes.items {
//!     println!("{}: {} of {} outdated", class.metadata.name, class.status.outdated, class.status.members);
//! }
//! # Ok(())
//! # }
//! ```

pub use crate::api::{Client, ClientError, Server};
pub use crate::query::answer;
