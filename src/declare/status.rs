//! Computes the status of classes and groups. The API, the custom resources and the command line all show the results
//! of these functions, each in its own form.
//!
//! | condition | `True` | `False` | `Unknown` |
//! |---|---|---|---|
//! | `Ready` | clade classifies images by the class: it has a current version | it has none yet, or the declaration is invalid | clade has not taken the declaration in yet |
//! | `Following` | the followed tag or image is there, and clade knows its images | it is not; the reason says why | as above |

use std::sync::Arc;

use crate::class::{Catalog, Class, Count};
use crate::record::{GroupRecord, Timestamp, VersionRecord};

/// The state of a declaration in clade.
#[derive(Debug, Clone, Copy)]
pub enum Declared<'a> {
    /// The declaration is invalid, for this reason.
    Invalid(&'a str),
    /// clade has seen the declaration and has not applied it yet.
    Pending,
    /// The class stands in the catalog.
    Known(&'a Class),
}

/// The status of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassStatus {
    /// The version that the followed tag points at. A class whose tag is gone keeps its last one.
    pub current: Option<Arc<VersionRecord>>,
    /// The other versions, newest first, each with the moment at which the next one in time began. It is absent where
    /// nobody knows it.
    pub history: Vec<(Arc<VersionRecord>, Option<Timestamp>)>,
    /// The time at which the next version in time after the current one began. Only a rolled-back class has one.
    pub current_until: Option<Timestamp>,
    /// Members and outdated members.
    pub count: Count,
    /// `True` if clade classifies images by the class.
    pub ready: Condition,
    /// `True` if the followed tag or image exists.
    pub following: Condition,
}

/// A condition as in Kubernetes objects, without the fields that depend on the time of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Ready` or `Following`.
    pub kind: &'static str,
    /// The value.
    pub status: ConditionStatus,
    /// The reason as a CamelCase word for programs.
    pub reason: String,
    /// The reason as a sentence for people.
    pub message: String,
}

/// The value of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// clade does not know yet.
    Unknown,
}

impl ConditionStatus {
    /// The word of Kubernetes: `True`, `False` or `Unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl ClassStatus {
    /// Both conditions, `Ready` first.
    pub fn conditions(&self) -> [&Condition; 2] {
        [&self.ready, &self.following]
    }

    /// The number of versions so far.
    pub fn versions(&self) -> usize {
        self.history.len() + usize::from(self.current.is_some())
    }
}

/// Computes the status of a class. `count` is the number of members in all shards.
pub fn class_status(declared: Declared<'_>, count: Count) -> ClassStatus {
    let class = match declared {
        Declared::Invalid(problem) => return without_versions(ConditionStatus::False, "Invalid", problem),
        Declared::Pending => {
            let text = "clade has seen the declaration and has not taken it in yet";
            return without_versions(ConditionStatus::Unknown, "Pending", text);
        }
        Declared::Known(class) => class,
    };
    let mut versions: Vec<&Arc<VersionRecord>> = class.versions().collect();
    versions.sort_by_key(|version| version.age());
    let until = |version: &VersionRecord| {
        let since = version.since?;
        versions.iter().filter_map(|next| next.since).find(|next| *next > since)
    };
    let current = class.current().cloned();
    let is_current = |version: &VersionRecord| current.as_ref().is_some_and(|of| of.number == version.number);
    let history = versions.iter().rev().filter(|version| !is_current(version));
    let following = &class.record.following;
    let condition = |kind, status: bool, reason: &str, message: String| Condition {
        kind,
        status: status.into(),
        reason: reason.to_owned(),
        message,
    };
    let ready = match &current {
        Some(current) => {
            let text = format!(
                "images are classified by {} versions; current is {}",
                versions.len(),
                current.digest
            );
            condition("Ready", true, "Classifying", text)
        }
        None => condition("Ready", false, &following.reason, following.message.clone()),
    };
    ClassStatus {
        history: history.map(|version| (Arc::clone(version), until(version))).collect(),
        current_until: current.as_ref().and_then(|current| until(current)),
        following: condition("Following", following.ready, &following.reason, following.message.clone()),
        count,
        ready,
        current,
    }
}

fn without_versions(status: ConditionStatus, reason: &str, message: &str) -> ClassStatus {
    let condition = |kind| Condition { kind, status, reason: reason.to_owned(), message: message.to_owned() };
    ClassStatus {
        current: None,
        history: Vec::new(),
        current_until: None,
        count: Count::default(),
        ready: condition("Ready"),
        following: condition("Following"),
    }
}

/// The names of the classes that a group selects now, in the order of the catalog.
pub fn group_classes(catalog: &Catalog, group: &GroupRecord) -> Vec<String> {
    catalog.selected(group).map(|class| class.record.name.clone()).collect()
}
