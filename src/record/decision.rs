//! Topic `decisions`: what policies say of each workload that they judge and do not simply allow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::Action;
use super::{ContainerRole, Timestamp, Topic, Value};

/// The verdict on a container, a pod or a workload, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The image satisfies the policy.
    Allowed,
    /// An exemption of the policy covers it.
    Exempt,
    /// clade does not know the image, or its answers are too old to call it violating.
    Unknown,
    /// The image does not satisfy the policy.
    Violating,
}

impl Verdict {
    /// All verdicts, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Exempt, Self::Unknown, Self::Violating];

    /// The word of the answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Exempt => "exempt",
            Self::Unknown => "unknown",
            Self::Violating => "violating",
        }
    }
}

/// The consequence for a pod, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is admitted.
    Allow,
    /// It is admitted; the violation is counted and reported.
    Audit,
    /// It is admitted with a warning.
    Warn,
    /// It is denied.
    Deny,
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        match action {
            Action::Audit => Self::Audit,
            Action::Warn => Self::Warn,
            Action::Deny => Self::Deny,
        }
    }
}

/// The judgement of one policy on one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The policy.
    pub policy: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The consequence.
    pub decision: Decision,
    /// The reason as a CamelCase word for programs: `Member`, `WithinGrace`, `Claimed`, `Exempt`, `UnknownImage`,
    /// `Stale`, `NotAMember`, `Outdated`, `OnlyClaimed`.
    pub reason: String,
    /// The reason as a sentence for people.
    pub message: String,
    /// The class whose membership satisfies the policy, or would if it were current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The time at which the judgement ends by itself: the end of a grace or of an exemption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
}

/// The decision on one workload. A tombstone says that every policy allows it now, that none judges it, or that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// The namespace of the workload.
    pub namespace: String,
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The source that has reported the workload; absent for an imported one, which may be of any cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The time of the decision.
    #[schemars(with = "String")]
    pub decided: Timestamp,
    /// The worst verdict on the images that it runs.
    pub verdict: Verdict,
    /// The consequence for a pod of it that were created now.
    pub decision: Decision,
    /// The judgements that do not allow an image, at most a hundred.
    pub findings: Vec<Finding>,
    /// The number of those that are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// The judgement of one policy on one image of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The name of the container.
    pub container: String,
    /// Its role.
    #[serde(default)]
    pub role: ContainerRole,
    /// The image as the workload asks for it.
    pub image: String,
    /// The digest of the image that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<crate::oci::Digest>,
    /// The judgement.
    #[serde(flatten)]
    pub judgement: Judgement,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Value for DecisionRecord {
    const TOPIC: Topic = Topic::Decisions;
    const TYPE: &'static str = "dev.clade.decision.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}/{}/{}@{}", self.namespace, self.kind, self.name, self.decided)
    }
}
