//! Makes rebuild plans: the BuildConfigs to rebuild because of a class, their order, and the reasons. Pure: no I/O, no
//! clock.
//!
//! ```text
//!   BuildConfigs ─► graph.rs     which BuildConfig is built on the output of which (`output.to` -> `from`)
//!   images, tags ─► need.rs      which of them are outdated, and by what evidence
//!                   waves.rs     cycles, and the order
//!                   tags.rs      outdated tags that no BuildConfig builds
//! ```
//!
//! The rules are those of docs/concepts.md, section 6. A plan is made from the state at one moment. The rebuilder
//! carries it out only once, and handles changes since then.

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

/// The index data that a plan needs, about the class and the group of its request.
pub trait Images {
    /// The present target of a tag, by its full name; `None` if the tag does not exist.
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

/// The target of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNow {
    /// The time at which the tag began to point at it.
    pub since: Timestamp,
    /// One image per platform.
    pub images: Vec<ImageNow>,
}

/// The standing of an image in the class: its state and its base version. `None` if the image is not in the class.
pub type Standing = Option<(State, Digest)>;

/// The standing of an image in the class and the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageNow {
    /// The standing in the class.
    pub standing: Standing,
    /// `true` if the image is in the requested group, or if no group was requested.
    pub in_group: bool,
}

/// A tag that points at an outdated image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutdatedTag {
    /// Its full name.
    pub name: String,
    /// The outdated image.
    pub image: Digest,
    /// The base version of that image.
    pub version: Digest,
    /// The number of its layers.
    pub layers: u32,
    /// The images that it is based on.
    pub bases: Vec<Digest>,
    /// `true` if the image is in the requested group, or if no group was requested.
    pub in_group: bool,
}

/// A rebuild plan: its targets by wave, and the problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The request.
    pub request: RebuildRequest,
    /// The class as it was when the plan was made.
    pub basis: Basis,
    /// The cost.
    pub cost: Cost,
    /// The targets, by wave.
    pub targets: Vec<Planned>,
    /// Objects that need a rebuild and cannot be rebuilt.
    pub problems: Vec<Problem>,
    /// Outdated tags that no BuildConfig of the cluster builds, sorted; the first [`Plan::MOST_OTHERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// The cost of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Builds that clade starts.
    pub builds: u32,
    /// Builds that ImageChange triggers start.
    pub triggered: u32,
    /// Tags that the sink is notified of.
    pub notified: u32,
    /// The number of waves, one after the other.
    pub waves: u32,
    /// All outdated tags that no BuildConfig of the cluster builds, including those that the sink is notified of.
    pub other_tags: u32,
}

/// One target of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The BuildConfig or tag to rebuild.
    pub target: Target,
    /// The wave, from 1.
    pub wave: u32,
    /// The party that starts the build.
    pub action: Action,
    /// The reason.
    pub reason: Reason,
    /// The targets of this plan that this target is built on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Target>,
    /// Those of them whose pushes start this build, through ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Target>,
    /// The tag that the build pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// An object that needs a rebuild and cannot be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The BuildConfig or tag.
    pub target: Target,
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The problem in words, and what to do about it.
    pub message: String,
}

/// The kinds of problems that prevent a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ProblemKind {
    /// It is built on its own output, directly or through others.
    Cycle,
    /// Its base image does not exist.
    MissingBase,
    /// Its image is outdated, and clade does not know the base image of the BuildConfig.
    UnknownBase,
    /// Its base image is outdated, and nothing in the plan changes that.
    OutdatedBase,
    /// Its base has one of these problems.
    BaseNotRebuilt,
    /// An annotation pauses the BuildConfig.
    Paused,
    /// The person who starts a build uploads its source.
    BinarySource,
    /// A reference cannot be parsed.
    BadReference,
}

impl Plan {
    /// Tags without a BuildConfig that a plan names, at most.
    pub const MOST_OTHERS: usize = 100;

    /// Makes the plan for a request. `basis` is the class; `build_configs` must contain all BuildConfigs, whatever the
    /// request.
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

    /// The plan without builds: only the notifications of the sink remain.
    #[must_use]
    pub fn only_told(mut self) -> Self {
        self.targets.retain(|planned| planned.action == Action::Notify);
        self.problems.clear();
        self.cost = Cost { other_tags: self.cost.other_tags, ..Cost::of(&self.targets) };
        self
    }

    /// Removes targets that were begun already; `begun` returns whether a target's build succeeded. Targets after a
    /// successful one no longer wait for it; targets after a failed one are not built either.
    #[must_use]
    pub fn without(mut self, begun: impl Fn(&Target) -> Option<bool>) -> Self {
        let mut unbuilt: BTreeSet<Target> = BTreeSet::new();
        let is_unbuilt = |target: &Target, unbuilt: &BTreeSet<Target>| {
            begun(target) == Some(false) || unbuilt.contains(target)
        };
        // By wave: a base comes before the targets built on it.
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
