//! The custom resource of a policy.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::class::Condition;
use crate::record::catalog::Selector;
use crate::record::policy::{Action, Exemption, OnUnknown, Require, Span};

/// A policy of what may run: which pods it judges, what their images must be built on, and what follows if they are not.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "clade.dev",
    version = "v1alpha1",
    kind = "ClassPolicy",
    plural = "classpolicies",
    singular = "classpolicy",
    category = "clade",
    status = "ClassPolicyStatus",
    doc = "A policy of what may run: which pods it judges, what their images must be built on, and what follows if they are not.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name has 63 characters at the most"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.require.state"),
    printcolumn(
        name = "Unknown",
        type_ = "string",
        json_path = ".spec.onUnknown",
        description = "what follows if clade does not know an image"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "whether pods are judged by it"
    ),
    printcolumn(
        name = "Violating",
        type_ = "integer",
        json_path = ".status.workloads.violating",
        description = "workloads that violate it"
    ),
    printcolumn(
        name = "Unseen",
        type_ = "integer",
        json_path = ".status.workloads.unknown",
        priority = 1,
        description = "workloads that run an image that clade does not know"
    ),
    printcolumn(
        name = "Classes",
        type_ = "string",
        json_path = ".status.summary",
        description = "the classes that it requires one of"
    )
)]
pub struct ClassPolicySpec {
    /// The namespaces whose pods the policy judges, by their labels. If absent, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Selector>,
    /// The pods that the policy judges, by their labels. If absent, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_selector: Option<Selector>,
    /// The classes that each image must be built on one of.
    pub require: Require,
    /// The consequence if clade does not know an image.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// The consequence if an image violates the policy.
    #[serde(default)]
    pub action: Action,
    /// The exemptions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub exempt: Vec<Exemption>,
    /// `true` if clade replaces each tag in a pod by the digest that it judged, so that the node pulls nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pin: bool,
    /// The span of time that answers may be behind, such as `60s`, the default. Beyond it clade calls every image unknown that
    /// it would otherwise call violating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness: Option<Span>,
}

/// The status of a policy.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassPolicyStatus {
    /// The generation of the declaration that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The names of the classes that it requires one of, those that exist.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The same names in one text.
    #[serde(default)]
    pub summary: String,
    /// The workloads that it judges, by their verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<JudgedWorkloads>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The numbers of workloads that a policy judges, by their verdicts.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgedWorkloads {
    /// All that it judges.
    pub judged: i64,
    /// Those whose images all satisfy it.
    pub allowed: i64,
    /// Those that an exemption covers.
    pub exempt: i64,
    /// Those that run an image that clade does not know.
    pub unknown: i64,
    /// Those that run an image that does not satisfy it.
    pub violating: i64,
}
