//! Converts an image's manifest and config to its record, in the same way for a folder and for a registry.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::oci::document::{BASE_DIGEST, BASE_NAME, Config, Descriptor, Manifest, is_schema_1};
use crate::oci::{Digest, LayerIdentity};
use crate::record::image::Evidence;
use crate::record::{Claim, ImageRecord, Layer};

/// Bytes of an index, manifest or config, at most. Registries accept 4 MiB.
pub const MAX_DOCUMENT: u64 = 16 << 20;
/// Levels of indexes in one another, at most. More is a mistake or an attack.
pub const MAX_DEPTH: usize = 8;

/// The error of a manifest of schema 1: it has no diff IDs, and its digest leaves out the signatures that stand in it.
const SCHEMA_1: &str = "it is a manifest of Docker's schema 1, which clade does not read: push the image again with a current \
                        tool, which writes schema 2";

/// Annotations, by name.
pub type Annotations = BTreeMap<String, String>;

/// Compares the content of a document with its digest, and reads it as JSON.
pub fn read<T: DeserializeOwned>(digest: &Digest, content: &[u8]) -> Result<T, String> {
    let actual = Digest::of(content);
    if actual != *digest {
        if is_schema_1(content) {
            return Err(SCHEMA_1.to_owned());
        }
        return Err(format!("the blob {digest} has the content of {actual}: it was changed or damaged"));
    }
    let content = without_mark(content);
    serde_json::from_slice(content).map_err(|error| format!("the blob {digest} is malformed: {error}"))
}

/// Returns the content without the byte order mark that some editors write in front of UTF-8.
pub(super) fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// Reads a manifest or an index as [`read`] does. Schema 1 has an error of its own.
pub fn manifest(digest: &Digest, content: &[u8]) -> Result<Manifest, String> {
    let manifest: Manifest = read(digest, content)?;
    let has_nothing = manifest.config.is_none() && manifest.manifests.is_none();
    if has_nothing && is_schema_1(content) { Err(SCHEMA_1.to_owned()) } else { Ok(manifest) }
}

/// Returns the annotations that claim a base. clade keeps no others, since an index may have many manifests.
pub fn kept(annotations: &Annotations) -> Annotations {
    let is_kept = |name: &str, value: &str| [BASE_NAME, BASE_DIGEST].contains(&name) && Claim::is_said(value);
    let kept = annotations.iter().filter(|(name, value)| is_kept(name, value));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Returns the annotations that hold for a manifest: those of the indexes that it is in, those of its descriptor, and
/// its own.
pub fn annotations(inherited: &Annotations, descriptor: &Annotations, manifest: &Manifest) -> Annotations {
    let mut annotations = inherited.clone();
    annotations.extend(kept(descriptor));
    annotations.extend(kept(&manifest.annotations));
    annotations
}

/// Returns the claim that annotations make about the base.
pub fn claim(annotations: &Annotations) -> Option<Claim> {
    Claim::in_names(Evidence::Annotation, annotations)
}

/// Returns the descriptor of an image's config.
pub fn config(manifest: &Manifest) -> Result<&Descriptor, String> {
    manifest.config.as_ref().ok_or_else(|| "the manifest has no config".to_owned())
}

/// Returns the record of the image with this digest, from its manifest and config. The caller adds its sources and
/// repositories.
pub fn image(
    digest: Digest,
    media_type: Option<String>,
    manifest: &Manifest,
    read: &Config,
    annotations: &Annotations,
) -> Result<ImageRecord, String> {
    let diff_ids: &[Digest] = read.rootfs.as_ref().map_or(&[], |rootfs| &rootfs.diff_ids);
    let layers = &manifest.layers.0;
    if diff_ids.len() != layers.len() {
        return Err(format!(
            "the manifest has {} layers and its config {} diff_ids: they must be as many",
            layers.len(),
            diff_ids.len()
        ));
    }
    // The diff ID identifies a layer. clade does not need the part of a descriptor that cannot be read.
    let layers = layers.iter().zip(diff_ids).map(|(layer, diff_id)| Layer {
        digest: layer.as_ref().map_or(*diff_id, |layer| layer.digest),
        diff_id: Some(*diff_id),
        size: layer.as_ref().ok().map(|layer| layer.size),
    });
    Ok(ImageRecord {
        digest,
        sequence: 0,
        platform: read.platform(),
        repositories: Vec::new(),
        media_type: media_type.filter(|told| !told.is_empty()).or_else(|| manifest.media_type.clone()),
        config_digest: Some(config(manifest)?.digest),
        created: read.created,
        layer_identity: LayerIdentity::DiffId,
        layers: layers.collect(),
        sources: Vec::new(),
        imported: false,
        claims: claim(annotations).into_iter().chain(Claim::in_labels(&read.config.labels)).collect(),
    })
}
