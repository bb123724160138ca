//! Topic `buildconfigs`: what builds which image from what, by `namespace/name`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectReference, Topic, Value};

/// One OpenShift BuildConfig, as far as a rebuild needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildConfigRecord {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Counts what the publisher has published.
    pub sequence: u64,
    /// The live source that it was seen in: `kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The builder image: `spec.strategy.*.from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<ObjectReference>,
    /// Images that sources are taken from: `spec.source.images[].from`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_images: Vec<ObjectReference>,
    /// Whether its source is uploaded by whoever starts a build: `spec.source.binary`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
    /// What it pushes to: `spec.output.to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ObjectReference>,
    /// Its ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_change_triggers: Vec<ImageChangeTrigger>,
    /// Whether the annotation `openshift.io/build-config.paused` holds it.
    #[serde(default)]
    pub paused: bool,
    /// `status.lastVersion`.
    #[serde(default)]
    pub last_version: u64,
}

/// A trigger that builds when an image stream's tag moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageChangeTrigger {
    /// What it watches; the builder image where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectReference>,
    /// Whether it is switched off.
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
