//! Topic `admissions`: the pods that the admission webhook did not simply allow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::{Decision, Finding, Verdict};
use super::{Timestamp, Topic, Value};

/// A pod that somebody wanted to create or to change, with the reasons why it was denied, or why it was not simply allowed.
/// Pods of one workload that were judged alike within moments share a record. Only questions that were no dry run count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRecord {
    /// The UID of the API server's question, of the first one if there were several.
    pub id: String,
    /// The time of the first question.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// The number of questions.
    pub times: u64,
    /// The user who asked for the pod, at most 256 characters: for most pods the ServiceAccount of a controller.
    pub user: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// The kind of the workload that the pod belongs to, such as `Deployment`; `Pod` for a pod that no controller created.
    pub kind: String,
    /// Its name; of a pod that has no name yet, the beginning of it.
    pub name: String,
    /// The worst verdict on its images.
    pub verdict: Verdict,
    /// The consequence.
    pub decision: Decision,
    /// The judgements that do not allow an image, at most a hundred.
    pub findings: Vec<Finding>,
    /// The number of those that are left out.
    #[serde(default, skip_serializing_if = "super::decision::is_zero")]
    pub more: u64,
}

impl AdmissionRecord {
    /// The key of the workload, as on `workloads` for the kinds of Kubernetes and OpenShift.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.name)
    }

    /// Returns `true` if both say the same of the same workload to the same user.
    pub fn is_alike(&self, other: &Self) -> bool {
        let Self { id: _, time: _, times: _, user, namespace, kind, name, verdict, decision, findings, more } =
            self;
        *name == other.name
            && *namespace == other.namespace
            && *kind == other.kind
            && *user == other.user
            && (*verdict, *decision, *more) == (other.verdict, other.decision, other.more)
            && *findings == other.findings
    }
}

impl Value for AdmissionRecord {
    const TOPIC: Topic = Topic::Admissions;
    const TYPE: &'static str = "dev.clade.admission.v1";
    fn id(&self, _: &[u8]) -> String {
        self.id.clone()
    }
}
