//! The status of a policy. The API and the custom resource both show it.

use super::found::selects;
use super::words;
use crate::class::Catalog;
use crate::record::ClassPolicy;

/// The status of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The names of the classes that it requires one of, those that exist. If there are none, the policy is not ready.
    pub classes: Vec<String>,
    /// The reason as a CamelCase word for programs: `Judging` or `NoClass`.
    pub reason: &'static str,
    /// The reason as a sentence for people.
    pub message: String,
}

impl Status {
    /// Returns `true` if the policy judges pods.
    pub fn is_ready(&self) -> bool {
        !self.classes.is_empty()
    }
}

/// Computes the status of a policy.
pub fn status(policy: &ClassPolicy, catalog: &Catalog) -> Status {
    let selected = catalog.classes().filter(|class| selects(&policy.require, &class.record));
    let classes: Vec<String> = selected.map(|class| class.record.name.clone()).collect();
    if classes.is_empty() {
        return Status { classes, reason: "NoClass", message: words::no_class(policy) };
    }
    let missing: Vec<&str> = policy
        .require
        .classes
        .iter()
        .map(String::as_str)
        .filter(|name| catalog.class(name).is_none())
        .take(words::MOST)
        .collect();
    let mut message = format!("pods are judged by {} of its classes", classes.len());
    if !missing.is_empty() {
        message = format!("{message}; these do not exist: {}", missing.join(", "));
    }
    Status { classes, reason: "Judging", message }
}
