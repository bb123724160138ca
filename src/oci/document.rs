//! Image indexes, manifests and configs, read as far as clade needs them.
//!
//! Own types instead of a library's: a registry holds documents of every age, and a field that clade does not need must
//! not make one unreadable.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Digest, Platform};

/// A reference to a blob (image-spec, descriptor.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// What it runs on, in an image index.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What an artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

/// An image index (manifest list) or an image manifest: which one, its fields tell.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What it says it is.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Of an image index: its manifests.
    #[serde(default)]
    pub manifests: Option<Vec<Descriptor>>,
    /// Of an image manifest: its config.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// Of an image manifest: its layers, base first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// An image config (image-spec, config.md).
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Processor architecture.
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// Variant of the architecture.
    #[serde(default)]
    pub variant: Option<String>,
    /// Version of the operating system.
    #[serde(rename = "os.version", default)]
    pub os_version: Option<String>,
    /// When it was built.
    #[serde(default)]
    pub created: Option<jiff::Timestamp>,
    /// Its layers.
    #[serde(default)]
    pub rootfs: RootFs,
}

/// The layers of a config.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RootFs {
    /// Digests of the uncompressed layers, base first.
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

impl Config {
    /// What the image runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
            os_version: self.os_version.clone().filter(|version| !version.is_empty()),
        }
    }
}

/// The annotation with the tag in an image layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that claims a base by name.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation that claims a base by digest.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Why a descriptor leads to no image, judged by itself (docs/concepts.md, section 3, "Not images"). `None` for one that may.
pub fn not_an_image(descriptor: &Descriptor) -> Option<&'static str> {
    let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
    if descriptor.annotations.contains_key("vnd.docker.reference.type")
        || descriptor.platform.as_ref().is_some_and(is_unknown)
    {
        return Some("attestation manifest");
    }
    if descriptor.artifact_type.is_some() {
        return Some("artifact");
    }
    descriptor.annotations.get(REF_NAME).and_then(|name| not_an_image_tag(name))
}

/// Why a manifest is no image. `None` for one that is.
pub fn not_an_image_manifest(manifest: &Manifest) -> Option<&'static str> {
    if manifest.artifact_type.is_some() {
        return Some("artifact");
    }
    match &manifest.config {
        Some(config) if CONFIGS.contains(&config.media_type.as_str()) => None,
        Some(_) => Some("artifact: its config is no image config"),
        None => Some("neither an image manifest nor an image index"),
    }
}

/// Why a tag names no image: cosign keeps signatures, attestations and SBOMs under `sha256-<digest>.sig` and so on.
pub fn not_an_image_tag(name: &str) -> Option<&'static str> {
    let tag = name.rsplit([':', '/']).next().unwrap_or(name);
    let (digest, kind) = tag.strip_prefix("sha256-")?.split_once('.')?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_digest && matches!(kind, "sig" | "att" | "sbom")).then_some("cosign tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attestations_artifacts_and_cosign_tags_are_not_images() {
        let descriptor = |extra: &str| -> Descriptor {
            serde_json::from_str(&format!(r#"{{"digest":"{}"{extra}}}"#, Digest::of(b"x"))).unwrap()
        };
        let not = |extra: &str| not_an_image(&descriptor(extra)).is_some();
        assert!(!not(""));
        assert!(not(r#","platform":{"os":"unknown","architecture":"unknown"}"#));
        assert!(not(r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#));
        assert!(not(r#","artifactType":"application/vnd.example.sbom""#));
        let cosign = format!("sha256-{}.sig", Digest::of(b"x").hex());
        assert!(not_an_image_tag(&cosign).is_some());
        assert!(not_an_image_tag(&format!("repo:{cosign}")).is_some());
        assert!(not_an_image_tag("v1.sig").is_none());
    }

    #[test]
    fn a_manifest_whose_config_is_no_image_config_is_not_an_image() {
        let manifest = |media_type: &str| -> Manifest {
            let digest = Digest::of(b"x");
            serde_json::from_str(&format!(
                r#"{{"config":{{"mediaType":"{media_type}","digest":"{digest}"}}}}"#
            ))
            .unwrap()
        };
        assert!(not_an_image_manifest(&manifest(CONFIGS[0])).is_none());
        assert!(not_an_image_manifest(&manifest("application/vnd.cncf.helm.config.v1+json")).is_some());
    }
}
