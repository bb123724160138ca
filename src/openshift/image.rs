//! `Image` of image.openshift.io/v1.

use serde::Deserialize;

use super::Metadata;
use crate::observe::Observation;
use crate::oci::{Digest, LayerIdentity, Platform, Reference};
use crate::record::{ImageRecord, Layer, TagImage, Timestamp};

/// Where a layer list begins.
const LAYERS_ORDER: &str = "image.openshift.io/dockerLayersOrder";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
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

pub(super) fn observations(image: Image) -> Result<Vec<Observation>, String> {
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
        imported: false,
        claims: Vec::new(),
    }))])
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
