//! Handles the declarations of administrators: classes, groups and policies.

use std::collections::BTreeSet;

use super::earlier::Scope;
use super::{PublishError, Publisher};
use crate::declare::{ClassSpec, GroupSpec, PolicySpec};
use crate::observe::Observation;
use crate::record::catalog::Following;
use crate::record::{CatalogKey, CatalogRecord, ClassRecord, DeadLetterRecord, GroupRecord, PolicyRecord};

/// The result of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The object was created.
    Created,
    /// The object existed and was changed.
    Configured,
    /// The object existed and is unchanged.
    Unchanged,
}

impl Publisher {
    /// Takes a declaration from a source. An invalid one becomes a dead letter, as no caller waits for an answer.
    pub(super) fn observe_declaration(&mut self, observation: Observation) -> Result<(), PublishError> {
        let (origin, outcome) = match &observation {
            Observation::Class(spec) => {
                (format!("imageclass {}", spec.name), self.apply_class(spec).map(drop))
            }
            Observation::ClassGone(name) => (format!("imageclass {name}"), self.delete_class(name)),
            Observation::Group(spec) => {
                (format!("imageclassgroup {}", spec.name), self.apply_group(spec).map(drop))
            }
            Observation::GroupGone(name) => (format!("imageclassgroup {name}"), self.delete_group(name)),
            Observation::Policy(spec) => {
                (format!("classpolicy {}", spec.name), self.apply_policy(spec).map(drop))
            }
            Observation::PolicyGone(name) => (format!("classpolicy {name}"), self.delete_policy(name)),
            _ => return Ok(()),
        };
        match outcome {
            Err(PublishError::Invalid(invalid)) => {
                self.pending.dead_letters.push(DeadLetterRecord::new(origin, None, invalid.0, None));
                Ok(())
            }
            Ok(()) | Err(PublishError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Declares a class; [`flush`](Self::flush) writes it. A class that follows another reference than before starts
    /// again, with the history of that reference.
    pub fn apply_class(&mut self, spec: &ClassSpec) -> Result<Outcome, PublishError> {
        spec.check()?;
        let known = self.catalog.class(&spec.name).map(|class| (*class.record).clone());
        let outcome = match &known {
            None => Outcome::Created,
            Some(known)
                if known.from == spec.from
                    && known.labels == spec.labels
                    && known.version_sources == spec.versions
                    && known.rebuild == spec.rebuild =>
            {
                return Ok(Outcome::Unchanged);
            }
            Some(_) => Outcome::Configured,
        };
        let record = match known {
            Some(known) if known.from == spec.from => {
                let has_fewer = self.drop_versions(&spec.name, &spec.versions)?;
                ClassRecord {
                    revision: known.revision + u64::from(has_fewer),
                    labels: spec.labels.clone(),
                    version_sources: spec.versions.clone(),
                    rebuild: spec.rebuild.clone(),
                    ..known
                }
            }
            known => {
                if known.is_some() {
                    self.delete_class(&spec.name)?;
                }
                self.sequence += 1;
                ClassRecord {
                    name: spec.name.clone(),
                    sequence: self.sequence,
                    generation: self.sequence,
                    labels: spec.labels.clone(),
                    from: spec.from.clone(),
                    version_sources: spec.versions.clone(),
                    versions: 0,
                    current: None,
                    revision: 0,
                    following: Following { ready: false, reason: String::new(), message: String::new() },
                    rebuild: spec.rebuild.clone(),
                }
            }
        };
        self.track_class(record, &Scope::All)?;
        Ok(outcome)
    }

    /// Deletes a class with its versions; [`flush`](Self::flush) writes it.
    pub fn delete_class(&mut self, name: &str) -> Result<(), PublishError> {
        self.remembered.remove(name);
        let Some(class) = self.catalog.class(name) else {
            return Err(PublishError::NotFound { kind: "class", name: name.to_owned() });
        };
        self.unsettled.remove(name);
        self.young.remove(name);
        self.adopting.retain(|_, classes| {
            classes.remove(name);
            !classes.is_empty()
        });
        if let Some(imported) = self.pending.versions.remove(name) {
            self.pending.imported = self.pending.imported.saturating_sub(imported.len());
        }
        let numbers: Vec<u32> = class.versions().map(|version| version.number).collect();
        self.delete(CatalogKey::Class(name.to_owned()));
        for number in numbers {
            self.delete(CatalogKey::Version(name.to_owned(), number));
        }
        for classes in self.followers.values_mut() {
            classes.remove(name);
        }
        for classes in self.patterned.values_mut() {
            classes.remove(name);
        }
        self.want(name, "", BTreeSet::new());
        Ok(())
    }

    /// Declares a group; [`flush`](Self::flush) writes it.
    pub fn apply_group(&mut self, spec: &GroupSpec) -> Result<Outcome, PublishError> {
        spec.check()?;
        let outcome = match self.catalog.group(&spec.name) {
            None => Outcome::Created,
            Some(group) if group.selector == spec.selector => return Ok(Outcome::Unchanged),
            Some(_) => Outcome::Configured,
        };
        self.sequence += 1;
        let GroupSpec { name, selector } = spec.clone();
        let group = GroupRecord { name, sequence: self.sequence, selector };
        self.put(CatalogRecord::ImageClassGroup(group));
        Ok(outcome)
    }

    /// Deletes a group; [`flush`](Self::flush) writes it.
    pub fn delete_group(&mut self, name: &str) -> Result<(), PublishError> {
        if self.catalog.group(name).is_none() {
            return Err(PublishError::NotFound { kind: "group", name: name.to_owned() });
        }
        self.delete(CatalogKey::Group(name.to_owned()));
        Ok(())
    }

    /// Declares a policy; [`flush`](Self::flush) writes it.
    pub fn apply_policy(&mut self, spec: &PolicySpec) -> Result<Outcome, PublishError> {
        spec.check()?;
        let outcome = match self.catalog.policy(&spec.name) {
            None => Outcome::Created,
            Some(policy) if policy.spec == spec.policy => return Ok(Outcome::Unchanged),
            Some(_) => Outcome::Configured,
        };
        self.sequence += 1;
        let PolicySpec { name, policy } = spec.clone();
        self.put(CatalogRecord::ClassPolicy(PolicyRecord { name, sequence: self.sequence, spec: policy }));
        Ok(outcome)
    }

    /// Deletes a policy; [`flush`](Self::flush) writes it.
    pub fn delete_policy(&mut self, name: &str) -> Result<(), PublishError> {
        if self.catalog.policy(name).is_none() {
            return Err(PublishError::NotFound { kind: "policy", name: name.to_owned() });
        }
        self.delete(CatalogKey::Policy(name.to_owned()));
        Ok(())
    }
}
