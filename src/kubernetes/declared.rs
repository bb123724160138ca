//! The classes, groups and policies as they are on the API server, for comparison when their status is written.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ImageClassGroup;
use super::class::{ClassVersion, ImageClassGroupStatus, ImageClassStatus, ImageSource};
use super::policy::ClassPolicyStatus;

/// A class as it is on the server.
#[derive(Clone)]
pub(super) struct DeclaredClass {
    pub(super) name: String,
    pub(super) generation: Option<i64>,
    pub(super) status: ImageClassStatus,
    /// The followed reference, if clade can read the declaration.
    pub(super) from: Option<ImageSource>,
    /// The reason why the class cannot be followed at all.
    pub(super) problem: Option<String>,
}

impl DeclaredClass {
    /// The versions that the status names, newest first; none if they are those of another reference.
    pub(super) fn remembered(&self) -> impl Iterator<Item = &ClassVersion> {
        let is_of_this = self.from.is_none() || self.from == self.status.from;
        let versions = self.status.current.iter().chain(&self.status.history);
        versions.filter(move |_| is_of_this)
    }
}

/// A policy as it is on the server.
#[derive(Clone)]
pub(super) struct DeclaredPolicy {
    pub(super) name: String,
    pub(super) generation: Option<i64>,
    pub(super) status: ClassPolicyStatus,
    /// The reason why pods cannot be judged by it.
    pub(super) problem: Option<String>,
}

/// Everything declared. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Declared {
    all: Arc<Mutex<All>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct All {
    classes: BTreeMap<String, DeclaredClass>,
    groups: BTreeMap<String, ImageClassGroup>,
    policies: BTreeMap<String, DeclaredPolicy>,
}

impl Declared {
    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put_class(&self, class: DeclaredClass) {
        self.all().classes.insert(class.name.clone(), class);
        self.changed.notify_one();
    }

    pub(super) fn remove_class(&self, name: &str) {
        self.all().classes.remove(name);
        self.changed.notify_one();
    }

    pub(super) fn class(&self, name: &str) -> Option<DeclaredClass> {
        self.all().classes.get(name).cloned()
    }

    /// Stores the status that was written for a class.
    pub(super) fn put_status(&self, name: &str, status: Option<ImageClassStatus>) {
        if let Some(class) = self.all().classes.get_mut(name) {
            class.status = status.unwrap_or_default();
        }
    }

    /// Stores the status that was written for a group.
    pub(super) fn put_group_status(&self, name: &str, status: Option<ImageClassGroupStatus>) {
        if let Some(group) = self.all().groups.get_mut(name) {
            group.status = status;
        }
    }

    /// Removes all classes but these.
    pub(super) fn keep_classes(&self, names: &HashSet<String>) {
        self.all().classes.retain(|name, _| names.contains(name));
    }

    /// Removes all groups but these.
    pub(super) fn keep_groups(&self, names: &HashSet<String>) {
        self.all().groups.retain(|name, _| names.contains(name));
    }

    pub(super) fn put_group(&self, object: ImageClassGroup) {
        let name = object.metadata.name.clone().unwrap_or_default();
        self.all().groups.insert(name, object);
        self.changed.notify_one();
    }

    pub(super) fn remove_group(&self, name: &str) {
        self.all().groups.remove(name);
        self.changed.notify_one();
    }

    pub(super) fn classes(&self) -> Vec<DeclaredClass> {
        self.all().classes.values().cloned().collect()
    }

    pub(super) fn groups(&self) -> Vec<ImageClassGroup> {
        self.all().groups.values().cloned().collect()
    }

    pub(super) fn put_policy(&self, policy: DeclaredPolicy) {
        self.all().policies.insert(policy.name.clone(), policy);
        self.changed.notify_one();
    }

    pub(super) fn remove_policy(&self, name: &str) {
        self.all().policies.remove(name);
        self.changed.notify_one();
    }

    /// Removes all policies but these.
    pub(super) fn keep_policies(&self, names: &HashSet<String>) {
        self.all().policies.retain(|name, _| names.contains(name));
    }

    /// Stores the status that was written for a policy.
    pub(super) fn put_policy_status(&self, name: &str, status: Option<ClassPolicyStatus>) {
        if let Some(policy) = self.all().policies.get_mut(name) {
            policy.status = status.unwrap_or_default();
        }
    }

    pub(super) fn policies(&self) -> Vec<DeclaredPolicy> {
        self.all().policies.values().cloned().collect()
    }

    /// Returns once something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
