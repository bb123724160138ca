//! Manifests and configs without a layout around them, as `skopeo inspect --raw`, `crane manifest` and `crane config` print
//! them. The digest of such a document is the digest of its text; a manifest and its config in one file are one image.

use std::collections::{BTreeMap, HashSet};

use serde_json::value::RawValue;

use super::id;
use super::manifest::{self, Annotations};
use crate::observe::Observation;
use crate::oci::document::{Config, Manifest, not_an_image_config, not_an_image_manifest};
use crate::oci::{Digest, LayerIdentity, Platform};
use crate::record::{ImageRecord, Layer};

/// The documents of a file, each with its place.
#[derive(Default)]
pub(super) struct Loose<'d> {
    pub(super) manifests: Vec<(String, &'d RawValue)>,
    pub(super) configs: Vec<(String, &'d RawValue)>,
}

/// The receiver of what was read of a document.
type Told<'t, E> = dyn FnMut(&str, &RawValue, Result<Observation, String>) -> Result<(), E> + 't;

impl Loose<'_> {
    /// Reads all documents. `whole` is the content of the file if it has one document.
    pub(super) fn read<E>(self, whole: Option<&[u8]>, told: &mut Told<'_, E>) -> Result<(), E> {
        let mut configs: BTreeMap<Digest, &RawValue> = BTreeMap::new();
        for (_, raw) in &self.configs {
            // Some tools end a config with a line feed, others do not.
            let text = raw.get().as_bytes();
            configs.insert(Digest::of(text), raw);
            configs.insert(Digest::of_parts([text, b"\n"]), raw);
        }
        let mut used: HashSet<*const str> = HashSet::new();
        for (place, raw) in &self.manifests {
            let digest = Digest::of(whole.unwrap_or(raw.get().as_bytes()));
            let read = image(digest, raw.get(), |config| {
                let found = configs.get(config).map(|raw| raw.get());
                used.extend(found.map(std::ptr::from_ref::<str>));
                found
            });
            told(place, raw, read)?;
        }
        for (place, raw) in &self.configs {
            if used.contains(&std::ptr::from_ref::<str>(raw.get())) {
                continue;
            }
            let digest = Digest::of(whole.unwrap_or(raw.get().as_bytes()));
            // Builders write a config in one line. Other text is that of a tool, and its digest no image ID.
            let id = (!raw.get().contains('\n')).then_some(digest);
            let read = id::image(digest, id, raw.get().as_bytes());
            told(place, raw, read.map(|image| Observation::Image(Box::new(image))))?;
        }
        Ok(())
    }
}

/// Returns the image of a manifest, by diff IDs if its config is there, else by the digests of its blobs.
fn image<'c>(
    digest: Digest,
    json: &str,
    find: impl FnOnce(&Digest) -> Option<&'c str>,
) -> Result<Observation, String> {
    let manifest: Manifest =
        serde_json::from_str(json).map_err(|error| format!("it is not an image manifest: {error}"))?;
    if let Some(what) = not_an_image_manifest(&manifest) {
        return Ok(Observation::NotAnImage(what));
    }
    let descriptor = manifest::config(&manifest)?.digest;
    let annotations = manifest::kept(&manifest.annotations);
    let image = match find(&descriptor) {
        Some(config) => {
            let config: Config = serde_json::from_str(config)
                .map_err(|error| format!("the config {descriptor} is malformed: {error}"))?;
            if let Some(what) = not_an_image_config(&manifest, &config) {
                return Ok(Observation::NotAnImage(what));
            }
            manifest::image(digest, None, &manifest, &config, &annotations)?
        }
        None => by_blobs(digest, descriptor, &manifest, &annotations)?,
    };
    Ok(Observation::Image(Box::new(image)))
}

/// Returns an image without its config, which would name its platform.
fn by_blobs(
    digest: Digest,
    config: Digest,
    manifest: &Manifest,
    annotations: &Annotations,
) -> Result<ImageRecord, String> {
    let (layers, problem) = manifest.layers.clone().split();
    if let Some(problem) = problem {
        return Err(format!("layers: {problem}"));
    }
    let layer = |layer: crate::oci::document::Descriptor| Layer {
        digest: layer.digest,
        diff_id: None,
        size: Some(layer.size),
    };
    Ok(ImageRecord {
        platform: Platform::new("unknown", "unknown"),
        media_type: manifest.media_type.clone(),
        config_digest: Some(config),
        layer_identity: LayerIdentity::Blob,
        layers: layers.into_iter().map(layer).collect(),
        claims: manifest::claim(annotations).into_iter().collect(),
        ..id::empty(digest)
    })
}
