//! Rebuild plans: which BuildConfigs are built again because of a class, in which order, and why. Pure: no I/O, no clock.
//!
//! ```text
//!   BuildConfigs ─► graph.rs     who builds on what whom builds (`output.to` -> `from`)
//!   images, tags ─► need.rs      which of them are outdated, and by what evidence
//!                   waves.rs     cycles, and the order
//!                   tags.rs      outdated tags that no BuildConfig builds
//! ```
//!
//! The rules are those of docs/concepts.md, section 6. A plan is made from what is so at one moment; that it is carried out only
//! once, and what has changed by then, is the rebuilder's matter.

mod graph;
mod need;
mod tags;
#[cfg(test)]
mod tests;
mod waves;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Timestamp};
use crate::record::rebuild::{Action, Basis, Reason, RebuildRequest};
use crate::record::{BuildConfigRecord, State, Target};

/// What a plan asks of the index, about the class and the group of its request.
pub trait Images {
    /// What a tag points at now, by its full name; none if it is not there.
    fn tag(&self, name: &str) -> Option<TagNow>;

    /// The tag that it follows, if its image stream says so.
    fn followed(&self, name: &str) -> Option<String>;

    /// Names of OpenShift's own registry, as the image streams have them.
    fn registries(&self) -> BTreeSet<String>;

    /// The image with this digest, if it is known.
    fn image(&self, digest: &Digest) -> Option<ImageNow>;

    /// Every tag that points at an outdated image of the class.
    fn outdated_tags(&self) -> Vec<OutdatedTag>;
}

/// What a tag points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNow {
    /// Since when.
    pub since: Timestamp,
    /// One image a platform.
    pub images: Vec<ImageNow>,
}

/// How an image stands in the class: its state, and the base version that it is built on. None if it is not in the class.
pub type Standing = Option<(State, Digest)>;

/// Where an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageNow {
    /// In the class.
    pub standing: Standing,
    /// Whether it is in the group that was asked for; true if none was.
    pub in_group: bool,
}

/// A tag that points at an outdated image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutdatedTag {
    /// Its full name.
    pub name: String,
    /// The outdated image.
    pub image: Digest,
    /// The base version that it is built on.
    pub version: Digest,
    /// How many layers it has.
    pub layers: u32,
    /// The images that it is based on.
    pub bases: Vec<Digest>,
    /// Whether it is in the group that was asked for.
    pub in_group: bool,
}

/// What is to be done, wave by wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What was asked for.
    pub request: RebuildRequest,
    /// The class as the plan was made for it.
    pub basis: Basis,
    /// What it costs.
    pub cost: Cost,
    /// What is rebuilt, by wave.
    pub targets: Vec<Planned>,
    /// What would have to be rebuilt and cannot be.
    pub problems: Vec<Problem>,
    /// Outdated tags that no BuildConfig here builds, sorted; the first [`Plan::MOST_OTHERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// What a plan costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Builds that clade begins.
    pub builds: u32,
    /// Builds that ImageChange triggers begin.
    pub triggered: u32,
    /// Tags that the sink is told of.
    pub notified: u32,
    /// How many waves one after the other.
    pub waves: u32,
    /// All outdated tags that no BuildConfig here builds, those that the sink is told of included.
    pub other_tags: u32,
}

/// One target of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// What is rebuilt.
    pub target: Target,
    /// Its wave, from 1.
    pub wave: u32,
    /// Who begins the build.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The targets of this plan that it is built on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Target>,
    /// Those of them whose pushes begin its build, by its ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Target>,
    /// The tag that it pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// Something that would have to be rebuilt and cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is about.
    pub target: Target,
    /// What is wrong.
    pub kind: ProblemKind,
    /// In words, and what to do.
    pub message: String,
}

/// Why something cannot be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ProblemKind {
    /// It is built on its own output, by way of others or at once.
    Cycle,
    /// What it is built on is not there.
    MissingBase,
    /// Its image is outdated, and what it is built on is not known here.
    UnknownBase,
    /// What it is built on is outdated itself, and nothing in the plan changes that.
    OutdatedBase,
    /// What it is built on has one of these problems.
    BaseNotRebuilt,
    /// The annotation holds it.
    Paused,
    /// Its source is uploaded by whoever starts a build.
    BinarySource,
    /// A reference cannot be read.
    BadReference,
}

impl Plan {
    /// So many tags that nobody here builds are named.
    pub const MOST_OTHERS: usize = 100;

    /// The plan for what was asked. `basis` is the class; `build_configs` are all there are, whatever is asked.
    pub fn make(
        request: RebuildRequest,
        basis: Basis,
        build_configs: &[BuildConfigRecord],
        images: &impl Images,
    ) -> Self {
        let mut build_configs: Vec<&BuildConfigRecord> = build_configs.iter().collect();
        build_configs.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let graph = graph::Graph::new(&build_configs, images);
        let needs = need::needs(&request, &graph, images);
        let mut made = waves::order(&graph, needs);
        let others = tags::others(&request, &graph, images);
        if request.notify {
            made.targets.extend(tags::targets(&request, &others));
        }
        made.targets.sort_by(|a, b| (a.wave, &a.target).cmp(&(b.wave, &b.target)));
        made.problems.sort_by(|a, b| (a.kind, &a.target).cmp(&(b.kind, &b.target)));
        let cost = Cost { other_tags: count(others.len()), ..Cost::of(&made.targets) };
        let others = others.into_iter().take(Self::MOST_OTHERS).map(|tag| tag.name).collect();
        Self { request, basis, cost, targets: made.targets, problems: made.problems, others }
    }

    /// What the sink is told of, and nothing else.
    #[must_use]
    pub fn only_told(mut self) -> Self {
        self.targets.retain(|planned| planned.action == Action::Notify);
        self.problems.clear();
        self.cost = Cost { other_tags: self.cost.other_tags, ..Cost::of(&self.targets) };
        self
    }

    /// Without what was begun already; `begun` says of a target whether that went well. What was to come after it waits for
    /// it no longer, or, where it did not go well, is not built either.
    #[must_use]
    pub fn without(mut self, begun: impl Fn(&Target) -> Option<bool>) -> Self {
        let mut unbuilt: BTreeSet<Target> = BTreeSet::new();
        let is_unbuilt = |target: &Target, unbuilt: &BTreeSet<Target>| {
            begun(target) == Some(false) || unbuilt.contains(target)
        };
        // By wave: a base comes before what is built on it.
        let mut targets = Vec::with_capacity(self.targets.len());
        for mut planned in std::mem::take(&mut self.targets) {
            if begun(&planned.target).is_some() {
                continue;
            }
            if let Some(base) = planned.after.iter().find(|base| is_unbuilt(base, &unbuilt)) {
                let message = format!("{base}, which it is built on, was not built");
                let kind = ProblemKind::BaseNotRebuilt;
                unbuilt.insert(planned.target.clone());
                self.problems.push(Problem { target: planned.target, kind, message });
                continue;
            }
            planned.after.retain(|base| begun(base).is_none());
            planned.triggered_by.retain(|base| begun(base).is_none());
            if planned.action == Action::Trigger && planned.triggered_by.is_empty() {
                planned.action = Action::Build;
            }
            targets.push(planned);
        }
        let mut waves: Vec<u32> = targets.iter().map(|planned| planned.wave).collect();
        waves.dedup();
        let waves: BTreeMap<u32, u32> = waves.into_iter().zip(1..).collect();
        for planned in &mut targets {
            planned.wave = waves[&planned.wave];
        }
        self.cost = Cost { other_tags: self.cost.other_tags, ..Cost::of(&targets) };
        Self { targets, ..self }
    }
}

impl Cost {
    fn of(targets: &[Planned]) -> Self {
        let mut cost = Self::default();
        for target in targets {
            match target.action {
                Action::Build => cost.builds += 1,
                Action::Trigger => cost.triggered += 1,
                Action::Notify => cost.notified += 1,
            }
            cost.waves = cost.waves.max(target.wave);
        }
        cost
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
