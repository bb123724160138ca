//! Answers about policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Metadata};
use crate::record::ClassPolicy;

/// A policy, in the form of the custom resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyItem {
    /// [`API_VERSION`](super::API_VERSION).
    pub api_version: String,
    /// `ClassPolicy`.
    pub kind: String,
    /// The name.
    pub metadata: Metadata,
    /// The declaration.
    pub spec: ClassPolicy,
    /// The status.
    pub status: PolicyStatus,
}

/// The status of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The names of the classes that it requires one of, those that exist.
    pub classes: Vec<String>,
    /// `Ready`.
    pub conditions: Vec<Condition>,
}
