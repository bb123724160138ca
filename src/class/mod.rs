//! Image classes: what an admin names, which images belong, and in which state (domain.md section 4). Pure logic.

mod catalog;
mod membership;
mod selector;

pub use catalog::{Catalog, CatalogChange, Class};
pub use membership::{Candidate, Classification, memberships};
