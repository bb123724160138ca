//! An image-info file of dotnet/versions: what a build of Microsoft's .NET images has published.
//!
//! Builds of some years have listed the layers of an image sorted by their digests, so nobody can tell their order. Later
//! ones list them from the top down. A file has images of both, and does not say which is which.

use serde::Deserialize;

use super::history;
use super::line::{ImageLine, LayerLine, Line, ManifestLine, TagLine};
use crate::observe::Observation;
use crate::oci::lenient::{self, Entries};
use crate::oci::{Digest, Platform};
use crate::record::Timestamp;

#[derive(Deserialize)]
struct File {
    repos: Entries<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    #[serde(default)]
    images: Entries<Image>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default, deserialize_with = "lenient::or_null")]
    manifest: Option<Manifest>,
    #[serde(default)]
    platforms: Entries<Built>,
}

/// The image index of several platforms.
#[derive(Deserialize)]
struct Manifest {
    digest: String,
    #[serde(default, rename = "sharedTags")]
    shared_tags: Entries<String>,
}

/// One platform.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    digest: String,
    #[serde(default)]
    simple_tags: Entries<String>,
    #[serde(default, deserialize_with = "lenient::field")]
    os_type: String,
    #[serde(default, deserialize_with = "lenient::field")]
    architecture: String,
    #[serde(default, deserialize_with = "lenient::field")]
    created: Option<Timestamp>,
    #[serde(default)]
    layers: Entries<BuiltLayer>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum BuiltLayer {
    Digest(Digest),
    Sized { digest: Digest, size: Option<u64> },
}

/// Returns `true` for the beginning of such a file.
pub(super) fn is_file(text: &str) -> bool {
    ["\"repos\"", "\"repo\"", "\"platforms\"", "\"dockerfile\""].iter().all(|field| text.contains(field))
}

/// Returns the observations from a file, images before tags; each may be an error. The tags pointed there at `seen`.
pub(super) fn read(text: &[u8], seen: Timestamp) -> Vec<Result<Observation, String>> {
    let repos = match serde_json::from_slice::<File>(text) {
        Ok(file) => file.repos,
        Err(error) => return vec![Err(format!("it is no image-info file: {error}"))],
    };
    let (repos, problem) = repos.split();
    let mut found: Vec<_> = problem.into_iter().map(|problem| Err(format!("repos: {problem}"))).collect();
    let (mut tags, mut sorted) = (Vec::new(), 0_usize);
    for image in
        repos.into_iter().flat_map(|repo| good(repo.images, "images", &mut found)).collect::<Vec<_>>()
    {
        let platforms = good(image.platforms, "platforms", &mut found);
        let mut manifests = Vec::new();
        for built in platforms {
            let (repository, digest) = match named(&built.digest) {
                Ok(named) => named,
                Err(problem) => {
                    found.push(Err(problem));
                    continue;
                }
            };
            let platform = built.platform();
            for tag in good(built.simple_tags, "simpleTags", &mut found) {
                let manifest = ManifestLine { platform: Some(platform.clone()), digest };
                tags.push(set(seen, &repository, tag, digest, vec![manifest]));
            }
            match built.layers.split() {
                // An image without one of its layers would be another image.
                (_, Some(problem)) => found.push(Err(format!("layers of {digest}: {problem}"))),
                (layers, None) if layers.is_empty() => {}
                (layers, None) if is_sorted(&layers) => sorted += 1,
                (layers, None) => found.push(history::observation(Line::Image(ImageLine {
                    repository,
                    digest,
                    platform: platform.clone(),
                    media_type: None,
                    config_digest: None,
                    created: built.created,
                    layers: layers.into_iter().rev().map(LayerLine::from).collect(),
                    diff_ids: Vec::new(),
                }))),
            }
            manifests.push(ManifestLine { platform: Some(platform), digest });
        }
        let Some(manifest) = image.manifest else { continue };
        match named(&manifest.digest) {
            Ok((repository, digest)) => {
                for tag in good(manifest.shared_tags, "sharedTags", &mut found) {
                    tags.push(set(seen, &repository, tag, digest, manifests.clone()));
                }
            }
            Err(problem) => found.push(Err(problem)),
        }
    }
    if sorted > 0 {
        found.push(Err(format!(
            "the layers of {sorted} images are sorted by digest, so their order is not known: the images are left out, and \
             their tags are not"
        )));
    }
    found.extend(tags);
    found
}

/// Returns `true` if the layers stand in the order of their digests. A few images with their layers from the top down have
/// this order by chance, and count as unknown too.
fn is_sorted(layers: &[BuiltLayer]) -> bool {
    layers.len() > 1 && layers.is_sorted_by_key(BuiltLayer::digest)
}

/// Returns the entries that could be read, and tells the first of the others.
fn good<T>(entries: Entries<T>, of: &str, found: &mut Vec<Result<Observation, String>>) -> Vec<T> {
    let (good, problem) = entries.split();
    found.extend(problem.map(|problem| Err(format!("{of}: {problem}"))));
    good
}

fn set(
    seen: Timestamp,
    repository: &str,
    tag: String,
    digest: Digest,
    manifests: Vec<ManifestLine>,
) -> Result<Observation, String> {
    let (repository, event) = (repository.to_owned(), "set".to_owned());
    history::observation(Line::Tag(TagLine {
        seen,
        repository,
        tag,
        event,
        index_digest: Some(digest),
        manifests,
    }))
}

/// Splits `mcr.microsoft.com/dotnet/aspnet@sha256:…`.
fn named(text: &str) -> Result<(String, Digest), String> {
    let (repository, digest) =
        text.split_once('@').ok_or_else(|| format!("the digest {text:?} is without its repository"))?;
    Ok((repository.to_owned(), digest.parse().map_err(|error| format!("{text:?}: {error}"))?))
}

impl BuiltLayer {
    fn digest(&self) -> Digest {
        match self {
            Self::Digest(digest) | Self::Sized { digest, .. } => *digest,
        }
    }
}

impl From<BuiltLayer> for LayerLine {
    fn from(layer: BuiltLayer) -> Self {
        match layer {
            BuiltLayer::Digest(digest) => Self { digest, size: None },
            BuiltLayer::Sized { digest, size } => Self { digest, size },
        }
    }
}

impl Built {
    /// The platform. `osVersion` names a base such as `bullseye-slim`, and is no version in the sense of OCI.
    fn platform(&self) -> Platform {
        let os = if self.os_type.is_empty() { "linux".to_owned() } else { self.os_type.to_lowercase() };
        let (architecture, variant) = match self.architecture.as_str() {
            "" => ("amd64", None),
            "arm32" | "arm" => ("arm", Some("v7")),
            "arm64" => ("arm64", Some("v8")),
            other => (other, None),
        };
        Platform { variant: variant.map(Into::into), ..Platform::new(&os, architecture) }
    }
}
