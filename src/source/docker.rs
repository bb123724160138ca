//! Archives of `docker save` and `podman save` (docker-archive): `manifest.json` names a config and tags for each image.
//!
//! Such an archive has no manifest of a registry: its layers stand unpacked in it. So the image is known by the digest of
//! its config, which is its ID in `docker images`, and its layers by their diff IDs.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::kept::Documents;
use super::{Sink, SinkError, SourceError, id, unreadable};
use crate::observe::{Observation, ObservedTag};
use crate::oci::lenient::{self, Entries};
use crate::oci::{Digest, Reference};
use crate::record::{ImageRecord, TagImage, TagItem, Timestamp};

/// An image of an archive.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    /// The path of the config.
    config: String,
    #[serde(default)]
    repo_tags: Entries<String>,
    #[serde(default, deserialize_with = "lenient::field")]
    layers: Vec<String>,
}

/// Reads the images that `manifest.json` names. Errors in it become dead letters.
pub(super) fn read(
    path: &Path,
    since: Timestamp,
    manifest: &[u8],
    documents: &Documents,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let saved: Entries<Saved> = match serde_json::from_slice(super::manifest::without_mark(manifest)) {
        Ok(saved) => saved,
        Err(error) => {
            let reason = format!("manifest.json is not that of an archive of `docker save`: {error}");
            sink(unreadable(path, "manifest.json", reason, Some(manifest)))?;
            return Ok(());
        }
    };
    // Each config is read once, however many entries name it.
    let mut known: HashMap<String, Option<TagImage>> = HashMap::new();
    for (number, entry) in (1..).zip(saved.0) {
        let place = format!("manifest.json[{number}]");
        let saved = match entry {
            Ok(saved) => saved,
            Err(problem) => {
                sink(unreadable(path, &place, problem, None))?;
                continue;
            }
        };
        let (tags, problems) = tags(&saved.repo_tags);
        for problem in problems {
            sink(unreadable(path, &place, problem, None))?;
        }
        let tagged = match known.get(&saved.config) {
            Some(tagged) => tagged.clone(),
            None => {
                let tagged = match image(&saved, &tags, documents) {
                    Ok(image) => Some(observe(image, sink)?),
                    Err(problem) => {
                        sink(unreadable(path, &place, problem, None))?;
                        None
                    }
                };
                known.insert(saved.config, tagged.clone());
                tagged
            }
        };
        if let Some(tagged) = tagged {
            of_tags(&tagged, tags, since).try_for_each(&mut *sink)?;
        }
    }
    Ok(())
}

fn image(saved: &Saved, tags: &[(String, String)], documents: &Documents) -> Result<ImageRecord, String> {
    let content = documents.get(&saved.config).ok_or_else(|| documents.absent(&saved.config))?;
    let digest = Digest::of(content);
    // The name is the digest, with `.json` behind it or `blobs/sha256/` before it.
    let name = saved.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if name.len() == digest.hex().len() && name != digest.hex() {
        return Err(format!("{} has the content of {digest}: it was changed or damaged", saved.config));
    }
    let image = id::image(digest, Some(digest), content)?;
    if saved.layers.len() != image.layers.len() {
        let (layers, ids) = (saved.layers.len(), image.layers.len());
        return Err(format!("manifest.json has {layers} layers and {} {ids} diff_ids", saved.config));
    }
    Ok(ImageRecord { repositories: tags.iter().map(|(repository, _)| repository.clone()).collect(), ..image })
}

/// Observes an image. Returns it as tags name it.
fn observe(image: ImageRecord, sink: &mut Sink<'_>) -> Result<TagImage, SinkError> {
    let tagged = TagImage { digest: image.digest, platform: Some(image.platform.clone()) };
    sink(Observation::Image(Box::new(image)))?;
    Ok(tagged)
}

/// Returns the observations of an image's tags.
pub(super) fn of_tags(
    image: &TagImage,
    tags: Vec<(String, String)>,
    since: Timestamp,
) -> impl Iterator<Item = Observation> {
    tags.into_iter().map(move |(repository, tag)| {
        let item = TagItem { since, digest: Some(image.digest), images: vec![image.clone()] };
        Observation::Tag(ObservedTag { source: None, repository, tag, items: vec![item], complete: false })
    })
}

/// Returns repositories and tags from `RepoTags`, and the errors in the others. An image without a tag may have
/// `<none>:<none>`.
pub(super) fn tags(told: &Entries<String>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut tags, mut problems) = (Vec::new(), Vec::new());
    for entry in &told.0 {
        let parsed = entry.as_ref().map_err(Clone::clone).and_then(|name| match name.as_str() {
            name if name.contains("<none>") => Ok(None),
            name => name.parse::<Reference>().map(Some).map_err(|error| error.to_string()),
        });
        match parsed {
            Ok(Some(Reference { repository, tag: Some(tag), .. })) => tags.push((repository, tag)),
            Ok(_) => {}
            Err(problem) => problems.push(format!("left out of RepoTags: {problem}")),
        }
    }
    (tags, problems)
}
