//! Images by ID: what a config says without a manifest.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::manifest;
use crate::oci::document::Config;
use crate::oci::{Digest, LayerIdentity, lenient};
use crate::record::{Claim, ImageRecord, Layer};

/// The part of a config with what a Dockerfile says.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default, deserialize_with = "lenient::field")]
    config: Labels,
}

/// The labels of a config.
#[derive(Deserialize, Default)]
pub(super) struct Labels {
    #[serde(rename = "Labels", default, deserialize_with = "lenient::texts")]
    pub(super) labels: BTreeMap<String, String>,
}

/// Returns the image of a config. `digest` is what the image is known by.
pub(super) fn image(digest: Digest, id: Option<Digest>, content: &[u8]) -> Result<ImageRecord, String> {
    let malformed = |error: serde_json::Error| format!("the config of {digest} is malformed: {error}");
    let content = manifest::without_mark(content);
    let config: Config = serde_json::from_slice(content).map_err(malformed)?;
    let labels = serde_json::from_slice::<Labelled>(content).map(|read| read.config).unwrap_or_default();
    let Some(rootfs) = &config.rootfs else {
        return Err(format!("the config of {digest} has no rootfs: it is no image config"));
    };
    let layers = layers(&rootfs.diff_ids);
    let claims = Claim::in_labels(&labels.labels).collect();
    Ok(ImageRecord {
        platform: config.platform(),
        config_digest: id,
        created: config.created,
        layers,
        claims,
        ..empty(digest)
    })
}

/// Returns layers of which only the diff IDs are known.
pub(super) fn layers(diff_ids: &[Digest]) -> Vec<Layer> {
    diff_ids.iter().map(|id| Layer { digest: *id, diff_id: Some(*id), size: None }).collect()
}

/// Returns an image without layers, known by diff IDs.
pub(super) fn empty(digest: Digest) -> ImageRecord {
    ImageRecord {
        digest,
        sequence: 0,
        platform: Default::default(),
        repositories: Vec::new(),
        media_type: None,
        config_digest: None,
        created: None,
        layer_identity: LayerIdentity::DiffId,
        layers: Vec::new(),
        sources: Vec::new(),
        imported: false,
        claims: Vec::new(),
    }
}
