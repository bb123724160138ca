//! JSON lines: a registry's history as images, tags and declared bases.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::content::Content;
use super::line::{ImageLine, LayerLine, Line, TagLine, VersionImageLine, VersionLine};
use crate::observe::{Observation, ObservedTag, ObservedVersion};
use crate::oci::document::not_an_image_tag;
use crate::oci::reference::{is_repository, is_tag};
use crate::oci::{Digest, LayerIdentity, Reference};
use crate::record::catalog::ImageChain;
use crate::record::image::Evidence;
use crate::record::{Claim, ImageRecord, Layer, TagImage, TagItem};

/// The fields that distinguish the kinds of lines.
#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    event: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    declared_base: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    version_of: Option<serde::de::IgnoredAny>,
    /// The last line of a file that is signed.
    #[serde(default)]
    signed: Option<serde::de::IgnoredAny>,
    /// A manifest in one line has layers as well.
    #[serde(default, rename = "schemaVersion")]
    schema_version: Option<serde::de::IgnoredAny>,
}

impl Marks {
    fn content(&self) -> Option<Content> {
        match self {
            Self { schema_version: Some(_), .. } => None,
            Self { layers: Some(_), .. } => Some(Content::Images),
            Self { event: Some(_), .. } => Some(Content::Tags),
            Self { declared_base: Some(_), .. } => Some(Content::Claims),
            Self { version_of: Some(_), .. } => Some(Content::Versions),
            _ => None,
        }
    }
}

/// Returns the kind of a line, or `None` for another line.
pub(super) fn kind_of_line(line: &str) -> Option<Content> {
    serde_json::from_str::<Marks>(line.trim()).ok()?.content()
}

/// Returns the kind of a line by its beginning, for a line that is too long to be read here.
pub(super) fn kind_of_beginning(text: &str) -> Option<Content> {
    let fields = [
        ("\"layers\"", Content::Images),
        ("\"event\"", Content::Tags),
        ("\"declared_base\"", Content::Claims),
        ("\"version_of\"", Content::Versions),
    ];
    fields.into_iter().find_map(|(field, content)| text.contains(field).then_some(content))
}

/// Returns the observation from a line, or the error in it.
pub(super) fn read(line: &[u8]) -> Result<Observation, String> {
    let marks: Marks =
        serde_json::from_slice(line).map_err(|error| format!("the line is not a JSON object: {error}"))?;
    let malformed = |what: &str, error: serde_json::Error| format!("the line is not {what}: {error}");
    let line = match marks.content() {
        Some(Content::Images) => {
            serde_json::from_slice(line).map(Line::Image).map_err(|error| malformed("an image", error))
        }
        Some(Content::Tags) => {
            serde_json::from_slice(line).map(Line::Tag).map_err(|error| malformed("a tag event", error))
        }
        Some(Content::Versions) => {
            serde_json::from_slice(line).map(Line::Version).map_err(|error| malformed("a version", error))
        }
        Some(_) => {
            serde_json::from_slice(line).map(Line::Claim).map_err(|error| malformed("a declared base", error))
        }
        None if marks.signed.is_some() => return Ok(Observation::NotAnImage("signature of a file")),
        None => Err("the line is neither an image (layers), nor a tag event (event), nor a declared base \
                     (declared_base), nor a version (version_of)"
            .to_owned()),
    };
    observation(line?)
}

/// Returns the observation from a line, or the error in it.
pub(super) fn observation(line: Line) -> Result<Observation, String> {
    match line {
        Line::Image(line) => image(line),
        Line::Tag(line) => tag(line),
        Line::Claim(line) => {
            let named =
                Claim { evidence: Evidence::Dockerfile, name: Some(line.declared_base), digest: None };
            Ok(Observation::Claim(line.digest, named))
        }
        Line::Version(line) => version(line),
    }
}

fn image(line: ImageLine) -> Result<Observation, String> {
    check_repository(&line.repository)?;
    if !line.diff_ids.is_empty() && line.diff_ids.len() != line.layers.len() {
        return Err(format!("{} layers do not go with {} diff_ids", line.layers.len(), line.diff_ids.len()));
    }
    let mut diff_ids = line.diff_ids.iter().copied();
    let layer_identity = if line.diff_ids.is_empty() { LayerIdentity::Blob } else { LayerIdentity::DiffId };
    let layer = |layer: LayerLine| Layer { digest: layer.digest, diff_id: diff_ids.next(), size: layer.size };
    Ok(Observation::Image(Box::new(ImageRecord {
        digest: line.digest,
        sequence: 0,
        platform: line.platform,
        repositories: vec![line.repository],
        media_type: line.media_type,
        config_digest: line.config_digest,
        created: line.created,
        layer_identity,
        layers: line.layers.into_iter().map(layer).collect(),
        sources: Vec::new(),
        imported: false,
        claims: Vec::new(),
    })))
}

fn tag(line: TagLine) -> Result<Observation, String> {
    check_repository(&line.repository)?;
    if !is_tag(&line.tag) {
        return Err(format!("{:?} is not a tag", line.tag));
    }
    if let Some(what) = not_an_image_tag(&line.tag) {
        return Ok(Observation::NotAnImage(what));
    }
    let images: Vec<TagImage> = match line.event.as_str() {
        "set" => line
            .manifests
            .into_iter()
            .map(|manifest| TagImage { digest: manifest.digest, platform: manifest.platform })
            .collect(),
        // The tag leads nowhere from here on, whether its list or its manifest is missing.
        "gone" | "missing-from-registry" => Vec::new(),
        other => return Err(format!("the event {other:?} is none of set, gone and missing-from-registry")),
    };
    let distinct: BTreeSet<Digest> = images.iter().map(|image| image.digest).collect();
    let digest = match (line.event.as_str(), line.index_digest, images.first()) {
        ("set", Some(index), _) => Some(index),
        ("set", None, Some(image)) if distinct.len() == 1 => Some(image.digest),
        ("set", None, None) => {
            return Err("a set event names neither an index_digest nor a manifest".to_owned());
        }
        // Several manifests and no digest of their list: a digest of their digests stands for the list.
        ("set", None, Some(_)) => {
            Some(Digest::of(&images.iter().flat_map(|image| image.digest.text()).collect::<Vec<_>>()))
        }
        _ => None,
    };
    let item = TagItem { since: line.seen, digest, images };
    Ok(Observation::Tag(ObservedTag {
        source: None,
        repository: line.repository,
        tag: line.tag,
        items: vec![item],
        complete: false,
    }))
}

/// Images of one version, at most: an image index has far fewer platforms.
const MOST_PLATFORMS: usize = 256;

fn version(line: VersionLine) -> Result<Observation, String> {
    let VersionLine { version_of, digest, since, built, images } = line;
    let name: Reference = version_of.parse().map_err(|error| format!("version_of: {error}"))?;
    if name.tag.is_none() {
        return Err(format!("version_of {version_of:?} names no tag"));
    }
    if images.is_empty() || images.len() > MOST_PLATFORMS {
        return Err(format!("a version has 1 to {MOST_PLATFORMS} images, and this one {}", images.len()));
    }
    let chain = |image: VersionImageLine| {
        let VersionImageLine { digest, platform, layer_identity, layers, blobs } = image;
        ImageChain::new(digest, platform, layer_identity, layers, blobs)
    };
    let images = images.into_iter().map(chain).collect::<Result<_, _>>()?;
    Ok(Observation::Version(Box::new(ObservedVersion { tag: version_of, digest, since, built, images })))
}

fn check_repository(name: &str) -> Result<(), String> {
    if is_repository(name) { Ok(()) } else { Err(format!("{name:?} is not a repository")) }
}
