//! Topic `buildconfigs`: each OpenShift BuildConfig with its inputs and its output, by `namespace/name`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectReference, Topic, Value};

/// One OpenShift BuildConfig: the fields that a rebuild needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildConfigRecord {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Publication counter of the publisher.
    pub sequence: u64,
    /// The live source that reported the BuildConfig: `kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The builder image: `spec.strategy.*.from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<ObjectReference>,
    /// Images that the build copies sources from: `spec.source.images[].from`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_images: Vec<ObjectReference>,
    /// `true` if the person who starts a build uploads the source: `spec.source.binary`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
    /// The image that the build pushes to: `spec.output.to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ObjectReference>,
    /// The ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_change_triggers: Vec<ImageChangeTrigger>,
    /// `true` if the annotation `openshift.io/build-config.paused` pauses the BuildConfig.
    #[serde(default)]
    pub paused: bool,
    /// `status.lastVersion`.
    #[serde(default)]
    pub last_version: u64,
}

/// A trigger that starts a build when a tag of an image stream moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChangeTrigger {
    /// The reference that the trigger watches. If absent, the trigger watches the builder image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectReference>,
    /// `true` if the trigger is switched off.
    #[serde(default)]
    pub paused: bool,
}

impl Value for BuildConfigRecord {
    const TOPIC: Topic = Topic::Buildconfigs;
    const TYPE: &'static str = "dev.clade.build-config.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}/{}@{}", self.namespace, self.name, self.sequence)
    }
}
