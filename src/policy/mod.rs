//! Judges pods by class policies (docs/concepts.md, section 9). Pure: a verdict depends on the policies, the classes, what is
//! known of the images, and the time, and on nothing else.
//!
//! ```text
//!   pod ─► matching policies ─► each container and policy: allowed | exempt | unknown | violating
//!                                       └─► the worst verdict, the strictest action ─► Verdict
//! ```

mod exempt;
mod findings;
mod found;
mod judge;
mod status;
mod words;

use core::time::Duration;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use found::Circumstances;
pub use judge::{judge, matches};
pub use status::{Status, status};

use crate::oci::{Digest, Platform, Timestamp};
pub use crate::record::decision::{Decision, Judgement, Verdict};
use crate::record::policy::Action;
use crate::record::{ContainerRole, State};

/// A pod, or the template of one, as far as policies look at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// The namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The labels of the namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
    /// The labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The workload that the pod belongs to, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// The platform of the node, as far as it is known: of a multi-platform image only the matching ones are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<NodePlatform>,
    /// The containers.
    pub containers: Vec<Container>,
}

/// The owner of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// The platform of a node: what a pod's node selector or the node says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePlatform {
    /// The operating system, such as `linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The architecture, such as `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

impl NodePlatform {
    /// Returns `true` if a node of this platform may run an image of the other.
    pub fn may_run(&self, image: &Platform) -> bool {
        self.os.as_ref().is_none_or(|os| *os == image.os)
            && self.architecture.as_ref().is_none_or(|architecture| *architecture == image.architecture)
    }
}

/// One container of a pod, or an image volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The name.
    pub name: String,
    /// The role.
    #[serde(default)]
    pub role: ContainerRole,
    /// The image as the pod names it.
    pub image: String,
}

/// The facts that clade knows of the image that a container names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The repository as the container names it.
    pub repository: String,
    /// The digest that the container names, or the one that its tag points at.
    pub digest: Option<Digest>,
    /// The known images: one, or one for each platform of the node.
    pub known: Vec<KnownImage>,
    /// Images that it may be, and that clade does not know.
    pub unknown: Vec<Digest>,
    /// The reason why clade knows none, for people.
    pub problem: Option<String>,
}

/// One image that clade knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownImage {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The memberships in classes.
    pub memberships: Vec<Standing>,
    /// The versions of classes that it claims to be built on, where its layers do not contradict the claim.
    pub claims: Vec<Claimed>,
}

/// The membership of an image in a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The class.
    pub class: String,
    /// The state.
    pub state: State,
    /// The version that the image is built on.
    pub version: Digest,
    /// The current image of the class for the same platform.
    pub current: Option<Digest>,
    /// The time since which it is outdated.
    pub outdated_since: Option<Timestamp>,
    /// `true` if the membership rests on a version that more than a claim names.
    pub proven: bool,
    /// `true` if no other class's version is nearer to the image.
    pub nearest: bool,
}

/// A class that an image claims to be built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The class.
    pub class: String,
    /// `true` if the claimed version is the current one. A claim without a digest names no version.
    pub is_current: bool,
    /// The time since which the claimed version is outdated, if the claim names one.
    pub outdated_since: Option<Timestamp>,
}

impl ImageFacts {
    /// The facts of an earlier time, as far as the present ones tell: a version that was replaced later was current then.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        let is_later = |since: Option<Timestamp>| since.is_some_and(|since| since > time);
        for image in &mut self.known {
            for of in image.memberships.iter_mut().filter(|of| is_later(of.outdated_since)) {
                (of.state, of.current, of.outdated_since) = (State::Current, Some(of.version), None);
            }
            for of in image.claims.iter_mut().filter(|of| is_later(of.outdated_since)) {
                (of.is_current, of.outdated_since) = (true, None);
            }
        }
        self
    }
}

impl PodVerdict {
    /// The verdict on a pod that has the containers of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.verdict = self.verdict.max(other.verdict);
        self.decision = self.decision.max(other.decision);
        self.stale |= other.stale;
        self.containers.extend(other.containers);
        for policy in other.not_ready {
            if !self.not_ready.contains(&policy) {
                self.not_ready.push(policy);
            }
        }
        self
    }
}

/// The verdict on a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodVerdict {
    /// The worst verdict on its containers.
    pub verdict: Verdict,
    /// The strictest action of the policies.
    pub decision: Decision,
    /// `true` if answers were further behind than a policy that judges the pod tolerates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// The containers, in their order, each with the judgement of each policy that judges the pod.
    pub containers: Vec<ContainerVerdict>,
    /// The policies that match the pod and are not ready, with the reason: they neither allow nor deny.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_ready: Vec<NotReady>,
}

/// The verdict on one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerVerdict {
    /// The container.
    #[serde(flatten)]
    pub container: Container,
    /// The worst verdict of the policies.
    pub verdict: Verdict,
    /// The digest that was judged: the one that the container names, or the one that its tag points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// `true` if a policy that pins judges the pod, and the container's tag is to become that digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pin: bool,
    /// The judgement of each policy, by its name.
    pub judgements: Vec<Judgement>,
}

/// A policy that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotReady {
    /// The policy.
    pub policy: String,
    /// Its action.
    pub action: Action,
    /// The reason, for people.
    pub message: String,
}

/// The age of the answers that a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// The span of time since they were last complete.
    By(Duration),
    /// They were never complete.
    Never,
}

impl Behind {
    /// Returns `true` if answers are further behind than this.
    pub fn exceeds(self, most: Duration) -> bool {
        match self {
            Self::By(span) => span > most,
            Self::Never => true,
        }
    }
}
