//! The `ClassPolicy`.

use super::{Invalid, name};
use crate::record::ClassPolicy;

/// A `ClassPolicy` as an administrator declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySpec {
    /// The name.
    pub name: String,
    /// The policy.
    pub policy: ClassPolicy,
}

impl PolicySpec {
    /// Checks the name and the policy.
    pub fn check(&self) -> Result<(), Invalid> {
        name::check("policy", &self.name)?;
        self.policy.check().map_err(|problem| Invalid(format!("policy {:?}: {problem}", self.name)))
    }
}
