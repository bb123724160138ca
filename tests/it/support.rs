//! What several subjects need: layers, images and references from short names.

use clade::oci::{Digest, LayerIdentity, Platform};
use clade::record::{ImageRecord, Layer};

/// The digest that stands for a short name. A test reads as the domain's examples do.
pub(crate) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// An image called `name`, of these layers, base first, for linux/amd64.
pub(crate) fn image(name: &str, layers: &[&str]) -> ImageRecord {
    ImageRecord {
        digest: digest(name),
        sequence: 0,
        platform: "linux/amd64".parse::<Platform>().unwrap(),
        repositories: vec!["registry/test".to_owned()],
        media_type: None,
        config_digest: None,
        created: None,
        layer_identity: LayerIdentity::Blob,
        layers: layers
            .iter()
            .map(|layer| Layer { digest: digest(layer), diff_id: None, size: None })
            .collect(),
        claims: Vec::new(),
    }
}
