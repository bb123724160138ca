//! The output of `docker inspect`, `podman inspect` and `skopeo inspect`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::docker;
use super::id::{self, Labels};
use crate::observe::Observation;
use crate::oci::document::not_an_image_layers;
use crate::oci::lenient::{self, Entries};
use crate::oci::reference::is_repository;
use crate::oci::{Digest, LayerIdentity, Platform, Reference};
use crate::record::{Claim, DeadLetterRecord, ImageRecord, Layer, TagImage, Timestamp};

/// An image as Docker and podman print it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    /// The image ID; podman leaves the algorithm out.
    id: String,
    #[serde(default)]
    repo_tags: Entries<String>,
    #[serde(default)]
    repo_digests: Entries<String>,
    #[serde(rename = "RootFS", default)]
    root_fs: RootFs,
    #[serde(default, deserialize_with = "lenient::field")]
    config: Labels,
    /// The manifest or index that the ID is, where Docker keeps its images in containerd.
    #[serde(default, deserialize_with = "lenient::field")]
    descriptor: Option<Stored>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default, deserialize_with = "lenient::or_null")]
    layers: Vec<Digest>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(default, deserialize_with = "lenient::field")]
    media_type: Option<String>,
}

/// The part that all of them print.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    #[serde(default, deserialize_with = "lenient::field")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::field")]
    os: String,
    #[serde(default, deserialize_with = "lenient::field")]
    architecture: String,
    #[serde(default, deserialize_with = "lenient::field")]
    variant: String,
    #[serde(default, deserialize_with = "lenient::field")]
    os_version: String,
}

impl About {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// Returns the platform. A part that is left out has its usual value.
    fn platform(&self) -> Platform {
        Platform::told(&self.os, &self.architecture, &self.variant, &self.os_version, Vec::new())
    }
}

/// An image as skopeo prints it. Its `RepoTags` are all tags of the repository.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfSkopeo {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
    digest: Digest,
    #[serde(deserialize_with = "lenient::or_null")]
    layers: Vec<Digest>,
    #[serde(default)]
    layers_data: Entries<LayerData>,
    #[serde(default, deserialize_with = "lenient::texts")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct LayerData {
    #[serde(rename = "MIMEType", default, deserialize_with = "lenient::field")]
    media_type: String,
    #[serde(rename = "Digest")]
    digest: Digest,
    #[serde(rename = "Size", default, deserialize_with = "lenient::field")]
    size: Option<u64>,
}

/// Returns the observations from an image as Docker or podman prints it.
pub(super) fn engine(json: &str, since: Timestamp) -> Result<Vec<Observation>, String> {
    let read: Inspected = serde_json::from_str(json)
        .map_err(|error| format!("it is not an image as `docker inspect` prints it: {error}"))?;
    let about = About::read(json)?;
    let with_algorithm = if read.id.contains(':') { read.id.clone() } else { format!("sha256:{}", read.id) };
    let digest: Digest = with_algorithm.parse().map_err(|error| format!("Id: {error}"))?;
    let (tags, problems) = docker::tags(&read.repo_tags);
    let of_digests = read.repo_digests.good().filter_map(|name| name.parse::<Reference>().ok());
    let repositories = tags.iter().map(|(repository, _)| repository.clone());
    let media_type = read.descriptor.and_then(|stored| stored.media_type);
    let image = ImageRecord {
        platform: about.platform(),
        repositories: repositories.chain(of_digests.map(|reference| reference.repository)).collect(),
        // In containerd the ID is the digest of a manifest or index instead.
        config_digest: media_type.is_none().then_some(digest),
        media_type,
        created: about.created,
        layers: id::layers(&read.root_fs.layers),
        claims: Claim::in_labels(&read.config.labels).collect(),
        ..id::empty(digest)
    };
    let tagged = TagImage { digest, platform: Some(image.platform.clone()) };
    let mut seen = vec![Observation::Image(Box::new(image))];
    seen.extend(docker::of_tags(&tagged, tags, since));
    let bad = |problem| DeadLetterRecord::new(format!("image {digest}"), None, problem, None);
    seen.extend(problems.into_iter().map(|problem| Observation::Unreadable(bad(problem))));
    Ok(seen)
}

/// Returns the observations from an image as skopeo prints it.
pub(super) fn skopeo(json: &str) -> Result<Vec<Observation>, String> {
    let read: OfSkopeo = serde_json::from_str(json)
        .map_err(|error| format!("it is not an image as `skopeo inspect` prints it: {error}"))?;
    let about = About::read(json)?;
    let media_types = read.layers_data.good().map(|layer| layer.media_type.as_str());
    let is_none = about.platform().is_unknown().then_some("attestation manifest");
    if let Some(what) = is_none.or_else(|| not_an_image_layers(media_types)) {
        return Ok(vec![Observation::NotAnImage(what)]);
    }
    let data: Vec<&LayerData> = read.layers_data.good().collect();
    let layer = |(at, digest): (usize, &Digest)| Layer {
        digest: *digest,
        diff_id: None,
        size: data.get(at).filter(|data| data.digest == *digest).and_then(|data| data.size),
    };
    Ok(vec![Observation::Image(Box::new(ImageRecord {
        platform: about.platform(),
        repositories: Some(read.name.clone()).filter(|name| is_repository(name)).into_iter().collect(),
        created: about.created,
        layer_identity: LayerIdentity::Blob,
        layers: read.layers.iter().enumerate().map(layer).collect(),
        claims: Claim::in_labels(&read.labels).collect(),
        ..id::empty(read.digest)
    }))])
}
