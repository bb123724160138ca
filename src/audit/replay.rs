//! Computes the state at some moment from the entries up to it.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::chain::SourceOffset;
use super::entry::{Entry, Facts};
use super::events::{Classified, RESET};
use crate::oci::{Digest, Platform, Timestamp};
use crate::record::outdated::Standing;
use crate::record::{Membership, State, Topic};

/// The moment to replay to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Entries up to this time of the log.
    Time(Timestamp),
    /// Entries up to this number.
    Seq(u64),
}

/// The state that the entries so far lead to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The number of the last entry.
    pub seq: u64,
    /// The time of the latest entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Classes by name.
    pub classes: BTreeMap<String, ClassState>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupState>,
    /// Policies by name, each as its last entry states it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, Facts>,
    /// The decisions on workloads that policies do not simply allow, by the key of the workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<String, Facts>,
    /// Images that are in a class, by digest.
    pub images: HashMap<Digest, ImageState>,
    /// Rebuilds by ID.
    pub rebuilds: BTreeMap<String, RebuildsState>,
}

/// A class.
#[derive(Debug, Default, Serialize)]
pub struct ClassState {
    /// The state in its last entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Facts>,
    /// Its versions by number.
    pub versions: BTreeMap<u32, Facts>,
}

/// A group.
#[derive(Debug, Serialize)]
pub struct GroupState {
    /// The state in its last entry.
    pub group: Option<Facts>,
}

/// An image that is in a class.
#[derive(Debug, Default, Serialize)]
pub struct ImageState {
    /// The platform of the image.
    pub platform: Option<Platform>,
    /// The standing in each class, from the transitions.
    pub states: BTreeMap<String, Standing>,
    /// The last whole classification.
    #[serde(flatten)]
    pub classified: Option<Classified>,
    /// The partition of the image's records.
    #[serde(skip)]
    partition: Option<u16>,
}

/// A rebuild.
#[derive(Debug, Default, Serialize)]
pub struct RebuildsState {
    /// The state in its last entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Facts>,
    /// The targets of the rebuild.
    pub targets: BTreeMap<String, Facts>,
}

impl ImageState {
    /// The state of the image in each class: from its classification, which is complete, or, if the trail has none yet,
    /// from transitions.
    pub fn standings(&self) -> BTreeMap<&str, State> {
        match &self.classified {
            Some(of) => {
                of.classes.iter().map(|Membership { name, state, .. }| (name.as_str(), *state)).collect()
            }
            None => self.states.iter().map(|(name, standing)| (name.as_str(), standing.state)).collect(),
        }
    }
}

impl Moment {
    /// Returns `true` if an entry is not after this moment.
    pub fn includes(self, entry: &Entry) -> bool {
        match self {
            Self::Time(time) => entry.time <= time,
            Self::Seq(seq) => entry.seq <= seq,
        }
    }
}

#[derive(serde::Deserialize)]
struct Number {
    number: u32,
}

impl Replay {
    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        self.time = self.time.max(Some(entry.time));
        if entry.what == RESET {
            return self.reset(entry.from.as_ref().and_then(Facts::read));
        }
        if let Some(policy) = &entry.policy {
            match &entry.to {
                Some(to) => drop(self.policies.insert(policy.clone(), to.clone())),
                None => drop(self.policies.remove(policy)),
            }
            return;
        }
        if let Some(workload) = entry.workload.as_ref().filter(|_| entry.what.starts_with("workload.")) {
            match &entry.to {
                Some(to) => drop(self.decisions.insert(workload.clone(), to.clone())),
                None => drop(self.decisions.remove(workload)),
            }
            return;
        }
        match (&entry.image, &entry.class, &entry.group, &entry.rebuild) {
            (Some(image), ..) => self.image(*image, entry),
            (.., Some(rebuild)) => self.rebuild(rebuild, entry),
            (_, Some(class), ..) => self.class(class, entry),
            (.., Some(group), _) => match &entry.to {
                Some(to) => {
                    self.groups.insert(group.clone(), GroupState { group: Some(to.clone()) });
                }
                None => {
                    self.groups.remove(group);
                }
            },
            _ => {}
        }
    }

    /// Handles a topic that was created again: its earlier entries no longer count, and new ones follow.
    fn reset(&mut self, of: Option<SourceOffset>) {
        let Some(SourceOffset { topic, partition, .. }) = of else { return };
        match topic {
            Topic::Catalog => {
                self.classes.clear();
                self.groups.clear();
                self.policies.clear();
            }
            Topic::Rebuilds => self.rebuilds.clear(),
            Topic::Decisions => self.decisions.clear(),
            Topic::Classifications | Topic::Outdated => self.images.retain(|_, image| {
                if image.partition != Some(partition) {
                    return true;
                }
                match topic {
                    Topic::Outdated => image.states.clear(),
                    _ => image.classified = None,
                }
                !image.states.is_empty() || image.classified.is_some()
            }),
            _ => {}
        }
    }

    fn image(&mut self, image: Digest, entry: &Entry) {
        let of = self.images.entry(image).or_default();
        of.partition = entry.source.as_ref().map(|source| source.partition).or(of.partition);
        if of.platform.is_none() {
            of.platform.clone_from(&entry.platform);
        }
        match (&entry.class, entry.to.as_ref()) {
            (Some(class), Some(to)) => {
                if let Some(standing) = to.read() {
                    of.states.insert(class.clone(), standing);
                }
            }
            (Some(class), None) => {
                of.states.remove(class);
            }
            (None, Some(to)) => of.classified = to.read(),
            (None, None) => of.classified = None,
        }
        if of.states.is_empty() && of.classified.is_none() {
            self.images.remove(&image);
        }
    }

    fn class(&mut self, class: &str, entry: &Entry) {
        let of = self.classes.entry(class.to_owned()).or_default();
        let number = |facts: &Option<Facts>| Some(facts.as_ref()?.read::<Number>()?.number);
        match (entry.what.as_ref(), &entry.to) {
            ("class.version", Some(to)) => {
                if let Some(number) = number(&entry.to) {
                    of.versions.insert(number, to.clone());
                }
            }
            ("class.version.deleted", _) => {
                if let Some(number) = number(&entry.from) {
                    of.versions.remove(&number);
                }
            }
            (_, to) => of.class.clone_from(to),
        }
        if of.class.is_none() && of.versions.is_empty() {
            self.classes.remove(class);
        }
    }

    fn rebuild(&mut self, rebuild: &str, entry: &Entry) {
        let of = self.rebuilds.entry(rebuild.to_owned()).or_default();
        match (&entry.target, &entry.to) {
            (Some(target), Some(to)) => {
                of.targets.insert(target.clone(), to.clone());
            }
            (Some(target), None) => {
                of.targets.remove(target);
            }
            (None, to) => of.rebuild.clone_from(to),
        }
        if of.rebuild.is_none() && of.targets.is_empty() {
            self.rebuilds.remove(rebuild);
        }
    }
}
