//! The policy of what may run: the form of a `ClassPolicy`, for records, the API and the custom resource.

use core::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::Selector;
use crate::oci::time::duration;
use crate::oci::{Digest, Timestamp};

/// A policy as it stands on the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRecord {
    /// The name.
    pub name: String,
    /// Publication counter of the publisher.
    pub sequence: u64,
    /// The declaration.
    pub spec: ClassPolicy,
}

/// The `spec` of a `ClassPolicy`: which pods it judges, what their images must be built on, and what follows if they are
/// not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassPolicy {
    /// The namespaces whose pods the policy judges, by their labels. An empty selector selects all.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub namespace_selector: Selector,
    /// The pods that the policy judges, by their labels. An empty selector selects all.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub object_selector: Selector,
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
    /// The span of time that answers may be behind, such as `60s`. Beyond it clade calls every image unknown that it
    /// would otherwise call violating.
    #[serde(default = "a_minute")]
    pub max_staleness: Span,
}

/// The classes that a policy requires.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Require {
    /// Classes by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub classes: Vec<String>,
    /// Classes by their labels. Absent, only those named count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The state that the membership must have.
    #[serde(default)]
    pub state: RequiredState,
    /// The span of time for which an outdated membership still satisfies `state: Current`, such as `14d`. It begins when the
    /// class's next version begins to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// The evidence that the membership needs.
    #[serde(default)]
    pub proof: Proof,
}

/// The state that a membership must have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequiredState {
    /// The image is built on any version of the class.
    #[default]
    Any,
    /// The image is built on the current version.
    Current,
}

/// The evidence for a membership.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Proof {
    /// The layers of the image contain those of a version, and that version does not rest on a claim alone.
    #[default]
    Layers,
    /// The same, or the image claims to be built on a version, and its layers do not contradict the claim.
    Claims,
}

/// The consequence if clade does not know an image. The action of the policy bounds it: a policy that only audits denies
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnUnknown {
    /// The pod is admitted.
    Allow,
    /// The pod is admitted with a warning.
    #[default]
    Warn,
    /// The pod is denied.
    Deny,
}

/// The consequence if an image violates a policy, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// The pod is admitted; clade counts and reports the violation.
    #[default]
    Audit,
    /// The pod is admitted with a warning.
    Warn,
    /// The pod is denied.
    Deny,
}

/// Images or workloads that a policy does not judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exemption {
    /// The reason, for people. Verdicts name it.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
    /// The time at which the exemption ends. Absent, it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// Repositories as pods name them, without tag and digest; `*` stands for any characters, `?` for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub repositories: Vec<String>,
    /// Images by digest: of a manifest, or of an image index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub digests: Vec<Digest>,
    /// Workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub workloads: Vec<ExemptWorkload>,
}

/// Workloads that are exempt. Whoever may create pods chooses the name of a bare pod: exempt a kind that only controllers create
/// pods of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExemptWorkload {
    /// The namespace.
    pub namespace: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The name; `*` stands for any characters, `?` for one.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A span of time as people write it, such as `14d` or `60s`. It stays as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Span {
    text: String,
    length: Duration,
}

impl Span {
    /// The length.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = duration(&text);
        let length = length.ok_or_else(|| format!("{text:?} is no span of time, as 60s, 12h or 14d"))?;
        Ok(Self { text, length })
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

fn a_minute() -> Span {
    Span { text: "60s".to_owned(), length: Duration::from_secs(60) }
}

fn is_empty(selector: &Selector) -> bool {
    *selector == Selector::default()
}

/// Entries of one list of a policy, at most.
const MOST: usize = 100;
/// Named classes of a policy, at most.
const MOST_CLASSES: usize = 1_000;

impl ClassPolicy {
    /// Checks the declaration. The error names the field and the remedy.
    pub fn check(&self) -> Result<(), String> {
        let Require { classes, selector, state, grace, .. } = &self.require;
        if classes.is_empty() && selector.is_none() {
            return Err(
                "spec.require names no class: give classes, or a selector over their labels".to_owned()
            );
        }
        if classes.len() > MOST_CLASSES {
            return Err(format!("spec.require.classes has more than {MOST_CLASSES} classes: use a selector"));
        }
        if grace.is_some() && *state == RequiredState::Any {
            return Err("spec.require.grace needs state: Current; with state: Any an outdated base is allowed for ever"
                .to_owned());
        }
        if self.exempt.len() > MOST {
            return Err(format!("spec.exempt has more than {MOST} exemptions"));
        }
        let exempt = self.exempt.iter().enumerate();
        exempt.into_iter().try_for_each(|(at, exemption)| {
            exemption.check().map_err(|problem| format!("spec.exempt[{at}].{problem}"))
        })
    }
}

impl Exemption {
    fn check(&self) -> Result<(), String> {
        let Self { reason, repositories, digests, workloads, .. } = self;
        if reason.trim().is_empty() || reason.len() > 512 {
            return Err("reason: say in 1 to 512 bytes why, for those who read it later".to_owned());
        }
        if repositories.is_empty() && digests.is_empty() && workloads.is_empty() {
            return Err("exempts nothing: name repositories, digests or workloads".to_owned());
        }
        if repositories.len().max(digests.len()).max(workloads.len()) > MOST {
            return Err(format!("repositories, digests and workloads: at most {MOST} each"));
        }
        for pattern in repositories {
            let is_part = |of: char| of.is_ascii_alphanumeric() || "._-/:*?".contains(of);
            let last = pattern.rsplit('/').next().unwrap_or_default();
            if pattern.is_empty() || pattern.len() > 512 || !pattern.chars().all(is_part) {
                return Err(format!(
                    "repositories: {pattern:?} is no repository, nor a pattern such as quay.io/team/*"
                ));
            }
            if last.contains(':') {
                return Err(format!("repositories: {pattern:?} has a tag: leave it out, or exempt a digest"));
            }
        }
        if let Some(nameless) = workloads.iter().position(|of| of.name.is_empty() || of.name.len() > 253) {
            return Err(format!("workloads[{nameless}].name: give a name of 1 to 253 bytes, or a pattern"));
        }
        Ok(())
    }
}
