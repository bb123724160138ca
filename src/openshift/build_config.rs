//! `BuildConfig` of build.openshift.io/v1.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Metadata;
use crate::oci::lenient::{self, Entries};
use crate::record::build_config::ImageChangeTrigger;
use crate::record::{BuildConfigRecord, ObjectReference};

const PAUSED: &str = "openshift.io/build-config.paused";

#[derive(Deserialize)]
pub(super) struct BuildConfig {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::or_null")]
    spec: BuildConfigSpec,
    #[serde(default, deserialize_with = "lenient::or_null")]
    status: BuildConfigStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildConfigSpec {
    #[serde(default, deserialize_with = "lenient::or_null")]
    strategy: Strategy,
    #[serde(default, deserialize_with = "lenient::or_null")]
    source: BuildSource,
    #[serde(default, deserialize_with = "lenient::or_null")]
    output: Output,
    #[serde(default)]
    triggers: Entries<Trigger>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    #[serde(default)]
    source_strategy: Option<StrategyFrom>,
    #[serde(default)]
    docker_strategy: Option<StrategyFrom>,
    #[serde(default)]
    custom_strategy: Option<StrategyFrom>,
}

#[derive(Deserialize)]
struct StrategyFrom {
    #[serde(default)]
    from: Option<ObjectReference>,
}

#[derive(Deserialize, Default)]
struct BuildSource {
    #[serde(default)]
    images: Entries<ImageSource>,
    #[serde(default)]
    binary: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct ImageSource {
    from: ObjectReference,
}

#[derive(Deserialize, Default)]
struct Output {
    #[serde(default)]
    to: Option<ObjectReference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trigger {
    #[serde(rename = "type", default, deserialize_with = "lenient::field")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::field")]
    image_change: Option<ImageChange>,
}

#[derive(Deserialize, Default)]
struct ImageChange {
    #[serde(default)]
    from: Option<ObjectReference>,
    #[serde(default, deserialize_with = "lenient::field")]
    paused: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildConfigStatus {
    #[serde(default, deserialize_with = "lenient::field")]
    last_version: u64,
}

/// Returns `true` if an annotation pauses the BuildConfig.
fn build_is_paused(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PAUSED).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl BuildConfig {
    pub(super) fn record(self) -> BuildConfigRecord {
        let Strategy { source_strategy, docker_strategy, custom_strategy } = self.spec.strategy;
        let builder =
            source_strategy.or(docker_strategy).or(custom_strategy).and_then(|strategy| strategy.from);
        let triggers = self.spec.triggers.split().0.into_iter();
        BuildConfigRecord {
            source: None,
            paused: build_is_paused(&self.metadata.annotations),
            namespace: self.metadata.namespace,
            name: self.metadata.name,
            sequence: 0,
            labels: self.metadata.labels,
            builder,
            source_images: self.spec.source.images.split().0.into_iter().map(|image| image.from).collect(),
            binary: self.spec.source.binary.is_some(),
            output: self.spec.output.to,
            image_change_triggers: triggers
                .filter(|trigger| trigger.kind == "ImageChange" || trigger.kind == "imageChange")
                .map(|trigger| trigger.image_change.unwrap_or_default())
                .map(|change| ImageChangeTrigger { from: change.from, paused: change.paused })
                .collect(),
            last_version: self.status.last_version,
        }
    }
}
