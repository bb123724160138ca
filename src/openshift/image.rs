//! `Image` of image.openshift.io/v1.

use serde::Deserialize;

use super::Metadata;
use crate::observe::Observation;
use crate::oci::document::{ContainerConfig, not_an_image_layers};
use crate::oci::lenient::{self, Entries};
use crate::oci::{Digest, LayerIdentity, Platform, Reference};
use crate::record::{Claim, DeadLetterRecord, ImageRecord, Layer, TagImage, Timestamp};

/// The annotation with the order of the layers.
const LAYERS_ORDER: &str = "image.openshift.io/dockerLayersOrder";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::field")]
    docker_image_reference: String,
    #[serde(default, deserialize_with = "lenient::field")]
    docker_image_metadata: DockerImage,
    #[serde(default, deserialize_with = "lenient::or_null")]
    docker_image_layers: Vec<ImageLayer>,
    #[serde(default, deserialize_with = "lenient::field")]
    docker_image_manifest_media_type: String,
    /// The text of the manifest, where the server has kept it.
    #[serde(default, deserialize_with = "lenient::field")]
    docker_image_manifest: String,
    #[serde(default)]
    docker_image_manifests: Entries<ImageManifest>,
}

/// The part of the `docker10` metadata that clade needs; its fields are capitalised.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    #[serde(default, deserialize_with = "lenient::field")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::field")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::field")]
    architecture: String,
    #[serde(default, deserialize_with = "lenient::field")]
    os: String,
    #[serde(default, deserialize_with = "lenient::field")]
    variant: String,
    #[serde(rename = "os.version", alias = "OSVersion", default, deserialize_with = "lenient::field")]
    os_version: String,
    #[serde(default, deserialize_with = "lenient::field")]
    config: ContainerConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageLayer {
    name: Digest,
    #[serde(default, deserialize_with = "lenient::field")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lenient::field")]
    media_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageManifest {
    digest: Digest,
    #[serde(default, deserialize_with = "lenient::field")]
    architecture: String,
    #[serde(default, deserialize_with = "lenient::field")]
    os: String,
    #[serde(default, deserialize_with = "lenient::field")]
    variant: String,
}

/// The layers in a manifest of Docker's schema 2 or OCI, base first. One of schema 1 has none of this name.
#[derive(Deserialize, Default)]
struct Manifest {
    #[serde(default, deserialize_with = "lenient::or_null")]
    layers: Vec<ManifestLayer>,
}

#[derive(Deserialize)]
struct ManifestLayer {
    digest: Digest,
}

/// Returns `true` if the layers of an object that does not say their order stand in the reverse order of its manifest.
/// The server puts layers into order, and says so, only where it has the manifest. Otherwise it leaves them as whoever
/// imported the image has listed them: base first.
fn is_reversed(layers: &[Layer], manifest: &str) -> bool {
    let manifest: Manifest = serde_json::from_str(manifest).unwrap_or_default();
    let listed = || layers.iter().map(|layer| layer.digest);
    let real = || manifest.layers.iter().map(|layer| layer.digest);
    !listed().eq(real()) && listed().rev().eq(real())
}

pub(super) fn observations(image: Image) -> Result<Vec<Observation>, String> {
    let digest: Digest = image.metadata.name.parse().map_err(|error| format!("metadata.name: {error}"))?;
    if !image.docker_image_manifests.0.is_empty() {
        return Ok(of_manifests(digest, image.docker_image_manifests));
    }
    let platform = platform(&image.docker_image_metadata);
    let media_types = image.docker_image_layers.iter().map(|layer| layer.media_type.as_str());
    let is_none = platform.is_unknown().then_some("attestation manifest");
    if let Some(what) = is_none.or_else(|| not_an_image_layers(media_types)) {
        return Ok(vec![Observation::NotAnImage(what)]);
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
        .into_iter()
        .map(|layer| Layer { digest: layer.name, diff_id: None, size: layer.size })
        .collect();
    let order = image.metadata.annotations.get(LAYERS_ORDER);
    let is_descending = match order.map(String::as_str) {
        Some("ascending") => false,
        Some("descending") => true,
        Some(other) => {
            return Err(format!("annotation {LAYERS_ORDER} is {other:?}, not ascending or descending"));
        }
        None => is_reversed(&layers, &image.docker_image_manifest),
    };
    if is_descending {
        layers.reverse();
    }
    let repository =
        image.docker_image_reference.parse::<Reference>().ok().map(|reference| reference.repository);
    let claims = Claim::in_labels(&image.docker_image_metadata.config.labels).collect();
    Ok(vec![Observation::Image(Box::new(ImageRecord {
        digest,
        sequence: 0,
        platform,
        repositories: repository.into_iter().collect(),
        media_type: Some(image.docker_image_manifest_media_type).filter(|told| !told.is_empty()),
        config_digest: image.docker_image_metadata.id.and_then(|id| id.parse().ok()),
        created: image.docker_image_metadata.created,
        layer_identity: LayerIdentity::Blob,
        layers,
        sources: Vec::new(),
        imported: false,
        claims,
    }))])
}

/// Returns the platform of an image. A field that the metadata leaves out has its usual value.
fn platform(told: &DockerImage) -> Platform {
    Platform::told(&told.os, &told.architecture, &told.variant, &told.os_version, Vec::new())
}

/// Returns the observations from a manifest list: tags are resolved through it, and its manifests are images of their
/// own.
fn of_manifests(digest: Digest, manifests: Entries<ImageManifest>) -> Vec<Observation> {
    let (manifests, problem) = manifests.split();
    let mut observations = Vec::new();
    if let Some(problem) = problem {
        let (place, reason) =
            (format!("Image {digest}"), format!("left out of dockerImageManifests: {problem}"));
        observations.push(Observation::Unreadable(DeadLetterRecord::new(place, None, reason, None)));
    }
    let images = manifests.into_iter().filter(|manifest| manifest.os != "unknown").map(|manifest| TagImage {
        digest: manifest.digest,
        platform: (!manifest.os.is_empty() && !manifest.architecture.is_empty()).then(|| Platform {
            variant: Some(manifest.variant).filter(|variant| !variant.is_empty()).map(Into::into),
            ..Platform::new(&manifest.os, &manifest.architecture)
        }),
    });
    observations.push(Observation::ImageIndex(digest, images.collect()));
    observations
}
