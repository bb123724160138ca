//! Image classes: the declared base images, their members, and the states of the members (docs/concepts.md, section 4).
//! Pure logic.

mod catalog;
mod count;
mod coverage;
mod foreign;
mod membership;
mod replaced;
mod selector;

pub use catalog::{Catalog, CatalogChange, Class};
pub use count::Count;
pub use coverage::{Coverage, Covered};
pub use membership::{Candidate, Classification, memberships};
pub use replaced::Replaced;
