//! Lists of OpenShift objects as `oc get … -o json` prints them, whole or one object a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Sink, unreadable};
use crate::oci::{Digest, LayerIdentity, Platform, Reference};
use crate::publisher::{Observation, ObservedTag, PublishError};
use crate::record::build_config::ImageChangeTrigger;
use crate::record::catalog::ObjectReference;
use crate::record::{BuildConfigRecord, ImageRecord, Layer, TagImage, TagItem, Timestamp};

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    metadata: Metadata,
    #[serde(default)]
    docker_image_reference: String,
    #[serde(default)]
    docker_image_metadata: Option<DockerImage>,
    #[serde(default)]
    docker_image_layers: Option<Vec<ImageLayer>>,
    #[serde(default)]
    docker_image_manifest_media_type: String,
    #[serde(default)]
    docker_image_manifests: Option<Vec<ImageManifest>>,
}

/// The part of `docker10` metadata that is needed; its fields are capitalised.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    created: Option<Timestamp>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
struct ImageLayer {
    name: Digest,
    #[serde(default)]
    size: Option<u64>,
}

#[derive(Deserialize, Clone)]
struct ImageManifest {
    digest: Digest,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
struct ImageStream {
    metadata: Metadata,
    #[serde(default)]
    status: ImageStreamStatus,
}

#[derive(Deserialize, Default)]
struct ImageStreamStatus {
    #[serde(default)]
    tags: Option<Vec<NamedTagEvents>>,
}

#[derive(Deserialize)]
struct NamedTagEvents {
    tag: String,
    #[serde(default)]
    items: Option<Vec<TagEvent>>,
}

#[derive(Deserialize)]
struct TagEvent {
    created: Timestamp,
    image: Digest,
}

/// Where a layer list begins.
const LAYERS_ORDER: &str = "image.openshift.io/dockerLayersOrder";
const PAUSED: &str = "openshift.io/build-config.paused";

/// Reads a document: one object, or a list of objects. Bad objects become dead letters.
pub(super) fn read(path: &Path, document: &[u8], sink: &mut Sink<'_>) -> Result<(), PublishError> {
    let mut objects = Vec::new();
    let mut stream = serde_json::Deserializer::from_slice(document).into_iter::<&RawValue>();
    // Several documents may follow one another.
    for (number, raw) in (1..).zip(&mut stream) {
        match raw {
            Ok(raw) => expand(raw, "", &format!("{number}"), &mut objects),
            Err(error) => {
                let reason = format!("the document is not JSON: {error}; is the file complete?");
                sink(unreadable(path, &error.line().to_string(), reason, Some(document)))?;
                break;
            }
        }
    }
    // Image streams last: their tags may point at manifest lists that stand behind them.
    objects.sort_by_key(|object| object.kind == "ImageStream");
    for object in objects {
        match observations(&object) {
            Ok(observations) => observations.into_iter().try_for_each(&mut *sink)?,
            Err(problem) => {
                let reason = format!("{} {}: {problem}", object.kind, object.name);
                sink(unreadable(path, &object.place, reason, Some(object.raw.get().as_bytes())))?;
            }
        }
    }
    Ok(())
}

struct Object<'a> {
    kind: String,
    name: String,
    place: String,
    raw: &'a RawValue,
}

/// The object itself, or the items of a list. Items of a typed list may leave their kind out.
fn expand<'a>(raw: &'a RawValue, list_kind: &str, place: &str, objects: &mut Vec<Object<'a>>) {
    let Header { kind, metadata } = serde_json::from_str(raw.get())
        .unwrap_or(Header { kind: String::new(), metadata: Metadata::default() });
    let kind = if kind.is_empty() { list_kind.to_owned() } else { kind };
    match (kind.strip_suffix("List"), serde_json::from_str::<List<'_>>(raw.get())) {
        (Some(of), Ok(list)) => {
            for (number, item) in (1..).zip(list.items) {
                expand(item, of, &format!("{place}.items[{number}]"), objects);
            }
        }
        _ => objects.push(Object { kind, name: metadata.name, place: place.to_owned(), raw }),
    }
}

fn observations(object: &Object<'_>) -> Result<Vec<Observation>, String> {
    let malformed = |error: serde_json::Error| error.to_string();
    match object.kind.as_str() {
        "Image" => image(serde_json::from_str(object.raw.get()).map_err(malformed)?),
        "ImageStream" => Ok(image_stream(serde_json::from_str(object.raw.get()).map_err(malformed)?)),
        "BuildConfig" => {
            let build_config: BuildConfig = serde_json::from_str(object.raw.get()).map_err(malformed)?;
            Ok(vec![Observation::BuildConfig(Box::new(build_config.record()))])
        }
        "ImageClass" | "ImageClassGroup" => Err("is declared with `clade apply -f`, not imported".to_owned()),
        "" => Err("the object has no kind".to_owned()),
        _ => Ok(vec![Observation::NotAnImage("object of another kind")]),
    }
}

fn image(image: Image) -> Result<Vec<Observation>, String> {
    let digest: Digest = image.metadata.name.parse().map_err(|error| format!("metadata.name: {error}"))?;
    if let Some(manifests) = image.docker_image_manifests.filter(|manifests| !manifests.is_empty()) {
        // A manifest list: tags are resolved through it, its manifests are images of their own.
        return Ok(vec![Observation::ImageIndex(digest, images_of(manifests))]);
    }
    let is_cosign = image
        .docker_image_reference
        .parse::<Reference>()
        .ok()
        .and_then(|reference| crate::oci::document::not_an_image_tag(&reference.tag?));
    if let Some(what) = is_cosign {
        return Ok(vec![Observation::NotAnImage(what)]);
    }
    let mut layers: Vec<Layer> = image
        .docker_image_layers
        .unwrap_or_default()
        .into_iter()
        .map(|layer| Layer { digest: layer.name, diff_id: None, size: layer.size })
        .collect();
    let order = image.metadata.annotations.as_ref().and_then(|annotations| annotations.get(LAYERS_ORDER));
    let is_descending = match order.map(String::as_str) {
        Some("ascending") => false,
        Some("descending") => true,
        Some(other) => {
            return Err(format!("annotation {LAYERS_ORDER} is {other:?}, not ascending or descending"));
        }
        // Docker schema 1 lists the newest layer first.
        None => image.docker_image_manifest_media_type.contains("manifest.v1"),
    };
    if is_descending {
        layers.reverse();
    }
    let metadata = image.docker_image_metadata.unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let default = Platform::default();
    let repository =
        image.docker_image_reference.parse::<Reference>().ok().map(|reference| reference.repository);
    Ok(vec![Observation::Image(Box::new(ImageRecord {
        digest,
        sequence: 0,
        platform: Platform {
            os: given(metadata.os).unwrap_or(default.os),
            architecture: given(metadata.architecture).unwrap_or(default.architecture),
            variant: given(metadata.variant),
            os_version: None,
        },
        repositories: repository.into_iter().collect(),
        media_type: given(Some(image.docker_image_manifest_media_type)),
        config_digest: metadata.id.and_then(|id| id.parse().ok()),
        created: metadata.created,
        layer_identity: LayerIdentity::Blob,
        layers,
        sources: Vec::new(),
        claims: Vec::new(),
    }))])
}

fn image_stream(stream: ImageStream) -> Vec<Observation> {
    let repository = match stream.metadata.namespace.as_str() {
        "" => stream.metadata.name,
        namespace => format!("{namespace}/{}", stream.metadata.name),
    };
    let mut observations = Vec::new();
    for events in stream.status.tags.unwrap_or_default() {
        if let Some(what) = crate::oci::document::not_an_image_tag(&events.tag) {
            observations.push(Observation::NotAnImage(what));
            continue;
        }
        // The newest comes first in a stream.
        let items = events.items.unwrap_or_default().into_iter().rev().map(|event| TagItem {
            since: event.created,
            digest: Some(event.image),
            images: vec![TagImage { digest: event.image, platform: None }],
        });
        let tag = ObservedTag {
            source: None,
            repository: repository.clone(),
            tag: events.tag,
            items: items.collect(),
        };
        observations.push(Observation::Tag(tag));
    }
    observations
}

fn images_of(manifests: Vec<ImageManifest>) -> Vec<TagImage> {
    manifests
        .into_iter()
        .filter(|manifest| manifest.os != "unknown")
        .map(|manifest| TagImage {
            digest: manifest.digest,
            platform: Some(Platform {
                os: manifest.os,
                architecture: manifest.architecture,
                variant: manifest.variant.filter(|variant| !variant.is_empty()),
                os_version: None,
            }),
        })
        .collect()
}

#[derive(Deserialize)]
struct BuildConfig {
    metadata: Metadata,
    #[serde(default)]
    spec: BuildConfigSpec,
    #[serde(default)]
    status: BuildConfigStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildConfigSpec {
    #[serde(default)]
    strategy: Strategy,
    #[serde(default)]
    source: BuildSource,
    #[serde(default)]
    output: Output,
    #[serde(default)]
    triggers: Option<Vec<Trigger>>,
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
    images: Option<Vec<ImageSource>>,
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
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    image_change: Option<ImageChange>,
}

#[derive(Deserialize, Default)]
struct ImageChange {
    #[serde(default)]
    from: Option<ObjectReference>,
    #[serde(default)]
    paused: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildConfigStatus {
    #[serde(default)]
    last_version: u64,
}

impl BuildConfig {
    fn record(self) -> BuildConfigRecord {
        let Strategy { source_strategy, docker_strategy, custom_strategy } = self.spec.strategy;
        let builder =
            source_strategy.or(docker_strategy).or(custom_strategy).and_then(|strategy| strategy.from);
        let triggers = self.spec.triggers.unwrap_or_default().into_iter();
        let is_paused = self.metadata.annotations.as_ref().and_then(|annotations| annotations.get(PAUSED));
        BuildConfigRecord {
            source: None,
            paused: is_paused.is_some_and(|value| value == "true"),
            namespace: self.metadata.namespace,
            name: self.metadata.name,
            sequence: 0,
            builder,
            source_images: self.spec.source.images.into_iter().flatten().map(|image| image.from).collect(),
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
