//! What admins declare: classes and groups.

use std::collections::BTreeMap;

use super::tracker::followed;
use super::{Observation, PublishError, Publisher};
use crate::record::catalog::{Following, Selector};
use crate::record::{
    CatalogKey, CatalogRecord, ClassRecord, DeadLetterRecord, GroupRecord, ObjectReference, RebuildPolicy,
    Referenced,
};

/// A class as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSpec {
    /// Its name.
    pub name: String,
    /// What groups select it by.
    pub labels: BTreeMap<String, String>,
    /// What it follows.
    pub from: ObjectReference,
    /// What is to happen to images of it that are outdated.
    pub rebuild: Option<Box<RebuildPolicy>>,
}

/// What declaring something came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It existed and was changed.
    Configured,
    /// It existed just so.
    Unchanged,
}

impl ClassSpec {
    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), PublishError> {
        check_name("class", &self.name)?;
        let problem = |problem| PublishError::Invalid(format!("class {:?}: {problem}", self.name));
        self.rebuild.as_ref().map_or(Ok(()), |policy| policy.check()).map_err(problem)?;
        followed(&self.from).map(drop).map_err(problem)
    }
}

impl Publisher {
    /// What a source says of declarations. One that is no good becomes a dead letter: nobody waits for an answer.
    pub(super) fn observe_declaration(&mut self, observation: Observation) -> Result<(), PublishError> {
        let (origin, outcome) = match &observation {
            Observation::Class(spec) => {
                (format!("imageclass {}", spec.name), self.apply_class(spec).map(drop))
            }
            Observation::ClassGone(name) => (format!("imageclass {name}"), self.delete_class(name)),
            Observation::Group(name, selector) => {
                (format!("imageclassgroup {name}"), self.apply_group(name, selector).map(drop))
            }
            Observation::GroupGone(name) => (format!("imageclassgroup {name}"), self.delete_group(name)),
            _ => return Ok(()),
        };
        match outcome {
            Err(PublishError::Invalid(problem)) => {
                self.pending.dead_letters.push(DeadLetterRecord::new(origin, None, problem, None));
                Ok(())
            }
            Ok(()) | Err(PublishError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Declares a class; [`flush`](Self::flush) writes it. A class that follows something else than before starts anew, with the history of that.
    pub fn apply_class(&mut self, spec: &ClassSpec) -> Result<Outcome, PublishError> {
        spec.check()?;
        let known = self.catalog.class(&spec.name).map(|class| (*class.record).clone());
        let outcome = match &known {
            None => Outcome::Created,
            Some(known)
                if known.from == spec.from
                    && known.labels == spec.labels
                    && known.rebuild == spec.rebuild =>
            {
                return Ok(Outcome::Unchanged);
            }
            Some(_) => Outcome::Configured,
        };
        let record = match known {
            Some(known) if known.from == spec.from => {
                ClassRecord { labels: spec.labels.clone(), rebuild: spec.rebuild.clone(), ..known }
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
                    versions: 0,
                    current: None,
                    revision: 0,
                    following: Following { ready: false, reason: String::new(), message: String::new() },
                    rebuild: spec.rebuild.clone(),
                }
            }
        };
        self.track_class(record)?;
        Ok(outcome)
    }

    /// Deletes a class with its versions; [`flush`](Self::flush) writes it.
    pub fn delete_class(&mut self, name: &str) -> Result<(), PublishError> {
        let Some(class) = self.catalog.class(name) else {
            return Err(PublishError::NotFound { kind: "class", name: name.to_owned() });
        };
        let from = class.record.from.clone();
        self.unsettled.remove(name);
        let numbers: Vec<u32> = class.versions().map(|version| version.number).collect();
        self.delete(CatalogKey::Class(name.to_owned()));
        for number in numbers {
            self.delete(CatalogKey::Version(name.to_owned(), number));
        }
        if let Ok(Referenced::Tag(tag)) = followed(&from)
            && let Some(classes) = self.followers.get_mut(&tag)
        {
            classes.remove(name);
        }
        Ok(())
    }

    /// Declares a group; [`flush`](Self::flush) writes it.
    pub fn apply_group(&mut self, name: &str, selector: &Selector) -> Result<Outcome, PublishError> {
        check_name("group", name)?;
        let outcome = match self.catalog.group(name) {
            None => Outcome::Created,
            Some(group) if group.selector == *selector => return Ok(Outcome::Unchanged),
            Some(_) => Outcome::Configured,
        };
        self.sequence += 1;
        let group =
            GroupRecord { name: name.to_owned(), sequence: self.sequence, selector: selector.clone() };
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
}

/// A name becomes part of a label key: Kubernetes bounds it to 63 letters, digits and `- _ .`.
fn check_name(kind: &str, name: &str) -> Result<(), PublishError> {
    let is_good = !name.is_empty()
        && name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_good {
        return Ok(());
    }
    Err(PublishError::Invalid(format!(
        "{kind} name {name:?} cannot be a label: use 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit \
         first and last"
    )))
}
