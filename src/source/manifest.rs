//! From an image's manifest and config to its record: the same wherever they lie, in a folder or in a registry.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::oci::document::{BASE_DIGEST, BASE_NAME, Config, Descriptor, Manifest, REF_NAME};
use crate::oci::{Digest, LayerIdentity};
use crate::record::image::Evidence;
use crate::record::{Claim, ImageRecord, Layer};

/// An index, manifest or config may be this large; registries accept 4 MiB.
pub const MAX_DOCUMENT: u64 = 16 << 20;
/// Indexes may lie in one another this deep. More is a mistake or an attack.
pub const MAX_DEPTH: usize = 8;

/// Annotations, by name.
pub type Annotations = BTreeMap<String, String>;

/// A document, read as JSON after its content was compared with its digest.
pub fn read<T: DeserializeOwned>(digest: &Digest, content: &[u8]) -> Result<T, String> {
    let actual = Digest::of(content);
    if actual != *digest {
        return Err(format!("the blob {digest} has the content of {actual}: it was changed or damaged"));
    }
    serde_json::from_slice(content).map_err(|error| format!("the blob {digest} is malformed: {error}"))
}

/// What holds for a manifest: what was said of the indexes that it is in, of its descriptor, and by itself.
pub fn annotations(inherited: &Annotations, descriptor: &Annotations, manifest: &Manifest) -> Annotations {
    let mut annotations = inherited.clone();
    annotations.extend(descriptor.clone());
    annotations.extend(manifest.annotations.clone());
    if manifest.manifests.is_some() {
        // What an index is called, its images are not.
        annotations.remove(REF_NAME);
    }
    annotations
}

/// What annotations claim of the base.
pub fn claim(annotations: &Annotations) -> Option<Claim> {
    let (name, digest) = (annotations.get(BASE_NAME).cloned(), annotations.get(BASE_DIGEST).cloned());
    (name.is_some() || digest.is_some()).then_some(Claim { evidence: Evidence::Annotation, name, digest })
}

/// Where an image's config is.
pub fn config(manifest: &Manifest) -> Result<&Descriptor, String> {
    manifest.config.as_ref().ok_or_else(|| "the manifest has no config".to_owned())
}

/// The image with this digest, as its manifest and config tell of it. Which source has it, and in which repository, is
/// for the caller to add.
pub fn image(
    digest: Digest,
    media_type: Option<String>,
    manifest: &Manifest,
    read: &Config,
    annotations: &Annotations,
) -> Result<ImageRecord, String> {
    let diff_ids = &read.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(format!(
            "the manifest has {} layers and its config {} diff_ids: they must be as many",
            manifest.layers.len(),
            diff_ids.len()
        ));
    }
    let layers = manifest.layers.iter().zip(diff_ids).map(|(layer, diff_id)| Layer {
        digest: layer.digest,
        diff_id: Some(*diff_id),
        size: Some(layer.size),
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
        claims: claim(annotations).into_iter().collect(),
    })
}
