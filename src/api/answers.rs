//! The four interfaces through which the API uses the process behind it. Every call blocks.

use serde::{Deserialize, Serialize};

use super::ApiError;
use crate::audit::{Found, Question};
use crate::declare::Manifest;
use crate::log::SharedLog;
use crate::oci::Timestamp;
use crate::plan::Plan;
use crate::query::answer::PartitionStatus;
use crate::rebuilder::{Change, RebuildItem};
use crate::record::rebuild::RebuildRequest;
use crate::view::Snapshot;

/// Answers queries.
pub trait Ask: Send + Sync {
    /// The committed state of every partition.
    fn snapshot(&self) -> Snapshot;

    /// The state of every partition as it was at a time. Reads the log, which takes long.
    fn past(&self, at: Timestamp) -> Result<Snapshot, ApiError>;

    /// The status of each partition.
    fn partitions(&self) -> Vec<PartitionStatus>;

    /// The log, for subscriptions.
    fn log(&self) -> &SharedLog;
}

/// Takes declarations, and returns once readers see them.
pub trait Declare: Send + Sync {
    /// Declares classes, groups and policies: all of them, or none.
    fn apply(&self, manifests: Vec<Manifest>) -> Result<Vec<Applied>, ApiError>;

    /// Deletes a class, a group or a policy.
    fn delete(&self, kind: Kind, name: String) -> Result<Applied, ApiError>;
}

/// Plans rebuilds and carries them out.
pub trait Command: Send + Sync {
    /// The plan for a request, from the present state.
    fn plan(&self, request: RebuildRequest) -> Result<Plan, ApiError>;

    /// Starts a rebuild.
    fn start(&self, request: RebuildRequest) -> Result<RebuildItem, ApiError>;

    /// All rebuilds, newest first.
    fn list(&self) -> Result<Vec<RebuildItem>, ApiError>;

    /// One rebuild with its targets.
    fn get(&self, id: &str) -> Result<RebuildItem, ApiError>;

    /// Pauses, resumes or cancels a rebuild.
    fn change(&self, id: &str, change: Change, by: Option<&str>) -> Result<RebuildItem, ApiError>;
}

/// Answers questions about the audit trail.
pub trait Audited: Send + Sync {
    /// The entries that a question is about, the newest first.
    fn entries(&self, question: &Question) -> Result<Found, ApiError>;
}

/// The kinds of object that can be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ImageClass`.
    Class,
    /// `ImageClassGroup`.
    Group,
    /// `ClassPolicy`.
    Policy,
}

impl Kind {
    /// The singular that `kubectl` prints.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Class => "imageclass",
            Self::Group => "imageclassgroup",
            Self::Policy => "classpolicy",
        }
    }
}

/// The outcome of one declaration or deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Applied {
    /// `imageclass`, `imageclassgroup` or `classpolicy`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// `created`, `configured`, `unchanged` or `deleted`.
    pub outcome: String,
}

/// The body of a change of a rebuild.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asking {
    /// The name of the user, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
