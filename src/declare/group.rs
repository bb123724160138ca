//! The `ImageClassGroup`.

use super::{Invalid, name};
use crate::record::catalog::Selector;

/// An `ImageClassGroup` as an admin declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name, the key of `group=class`.
    pub name: String,
    /// The classes in it.
    pub selector: Selector,
}

impl GroupSpec {
    /// Checks the name.
    pub fn check(&self) -> Result<(), Invalid> {
        name::check("group", &self.name)
    }
}
