//! Declarations: the one form of an `ImageClass`, an `ImageClassGroup` and a
//! `ClassPolicy`, and the one meaning of their status.
//!
//! ```text
//!   clade apply ─► manifest ─┐
//!   POST /v1/apply ──────────┼─► the specs  ─► the publisher ─► catalog ─► ClassStatus ─► API, CLI, kubectl
//!   custom resources ────────┘
//! ```
//!
//! Pure: values in, values out.

mod group;
mod manifest;
mod name;
mod policy;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use group::GroupSpec;
pub use manifest::{Manifest, ManifestError};
pub use policy::PolicySpec;
pub use status::{ClassStatus, Condition, ConditionStatus, Declared, class_status, group_classes};

use crate::oci::{ChainId, Digest};
use crate::record::{ObjectReference, RebuildPolicy, ReferenceKind, Referenced, VersionSources};

/// The API group and version of the objects that clade declares and answers with.
pub const API_VERSION: &str = "clade.dev/v1alpha1";

/// A declaration that clade cannot follow. The text names the object, the field and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// The `spec` of an `ImageClass`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassFields {
    /// The image that the class follows.
    pub from: ObjectReference,
    /// The sources of versions beside the followed tag itself.
    #[serde(default, skip_serializing_if = "VersionSources::is_default")]
    pub versions: VersionSources,
    /// The rebuild policy. If absent, clade begins no rebuild of outdated members by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Box<RebuildPolicy>>,
}

/// An `ImageClass` as an administrator declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSpec {
    /// The name, which becomes a part of label keys.
    pub name: String,
    /// The labels that groups select it by.
    pub labels: BTreeMap<String, String>,
    /// The image that the class follows.
    pub from: ObjectReference,
    /// The sources of versions beside the followed tag itself.
    pub versions: VersionSources,
    /// The rebuild policy. If absent, clade begins no rebuild of outdated members by itself.
    pub rebuild: Option<Box<RebuildPolicy>>,
}

impl ClassSpec {
    /// Checks the name, the reference, the sources of versions and the rebuild policy.
    pub fn check(&self) -> Result<(), Invalid> {
        name::check("class", &self.name)?;
        let problem = |problem| Invalid(format!("class {:?}: {problem}", self.name));
        name::check_labels(&self.labels).map_err(problem)?;
        self.rebuild.as_ref().map_or(Ok(()), |policy| policy.check()).map_err(problem)?;
        let followed = followed(&self.from).map_err(|Invalid(text)| problem(text))?;
        let patterns = self.versions.patterns().map_err(problem)?;
        if !patterns.is_empty() && !matches!(followed, Followed::Tag(_)) {
            return Err(problem("spec.versions.tags needs a followed tag: spec.from names none".to_owned()));
        }
        Ok(())
    }
}

/// The target that a class follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// A tag by its full name.
    Tag(String),
    /// One image.
    Image(Digest),
    /// A beginning of images that an administrator has named.
    Chain(ChainId),
}

/// The tag, image or chain that a class's `spec.from` names.
pub fn followed(from: &ObjectReference) -> Result<Followed, Invalid> {
    if from.kind == ReferenceKind::Chain {
        if from.namespace.is_some() {
            return Err(Invalid("spec.from.namespace: a chain is in no namespace; leave it out".to_owned()));
        }
        let chain = from.name.parse::<ChainId>();
        return chain.map(Followed::Chain).map_err(|error| {
            Invalid(format!("spec.from.name {:?} of kind Chain must be a chain ID: {error}", from.name))
        });
    }
    match from.resolve() {
        Ok(Referenced::Tag(tag)) => Ok(Followed::Tag(tag)),
        Ok(Referenced::Image(digest)) => Ok(Followed::Image(digest)),
        Err(problem) => Err(Invalid(format!("spec.from.{problem}"))),
    }
}
