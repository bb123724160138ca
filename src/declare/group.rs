//! The `ImageClassGroup`.

use super::{Invalid, name};
use crate::record::catalog::Selector;

/// An `ImageClassGroup` as an administrator declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// The name, the key of `group=class`.
    pub name: String,
    /// The selector over the labels of classes.
    pub selector: Selector,
}

impl GroupSpec {
    /// Checks the name.
    pub fn check(&self) -> Result<(), Invalid> {
        name::check("group", &self.name)
    }
}
