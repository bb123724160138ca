//! Image indexes, manifests and configs, read as far as clade needs them.
//!
//! clade has types of its own instead of a library's: a registry holds documents of every age, and a field that clade
//! does not need must not make one unreadable.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lenient::{self, Entries};
use super::{Digest, Platform};

/// A reference to a blob (image-spec, descriptor.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the blob.
    #[serde(default, deserialize_with = "lenient::field")]
    pub media_type: String,
    /// The digest of the blob.
    pub digest: Digest,
    /// The size of the blob in bytes.
    #[serde(default, deserialize_with = "lenient::field")]
    pub size: u64,
    /// The platform of an image, in an image index.
    #[serde(default, deserialize_with = "lenient::field")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact.
    #[serde(default, deserialize_with = "lenient::field")]
    pub artifact_type: Option<String>,
}

/// An image index (manifest list) or an image manifest. Its fields show which one it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The media type that the document states.
    #[serde(default, deserialize_with = "lenient::field")]
    pub media_type: Option<String>,
    /// The type of an artifact.
    #[serde(default, deserialize_with = "lenient::field")]
    pub artifact_type: Option<String>,
    /// The manifests of an image index.
    #[serde(default)]
    pub manifests: Option<Entries<Descriptor>>,
    /// The config of an image manifest.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers of an image manifest, base first.
    #[serde(default)]
    pub layers: Entries<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub annotations: BTreeMap<String, String>,
}

/// An image config (image-spec, config.md).
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Processor architecture.
    #[serde(default, deserialize_with = "lenient::field")]
    pub architecture: Option<String>,
    /// Operating system.
    #[serde(default, deserialize_with = "lenient::field")]
    pub os: Option<String>,
    /// Variant of the architecture.
    #[serde(default, deserialize_with = "lenient::field")]
    pub variant: Option<String>,
    /// Version of the operating system.
    #[serde(rename = "os.version", default, deserialize_with = "lenient::field")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image needs.
    #[serde(rename = "os.features", default, deserialize_with = "lenient::field")]
    pub os_features: Vec<String>,
    /// The time of the build.
    #[serde(default, deserialize_with = "lenient::field")]
    pub created: Option<jiff::Timestamp>,
    /// The settings of containers.
    #[serde(default, deserialize_with = "lenient::field")]
    pub config: ContainerConfig,
    /// The layers. A config without them is no image config.
    #[serde(default)]
    pub rootfs: Option<RootFs>,
}

/// The settings of the containers of an image.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerConfig {
    /// Labels.
    #[serde(rename = "Labels", default, deserialize_with = "lenient::texts")]
    pub labels: BTreeMap<String, String>,
}

/// The layers of a config.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RootFs {
    /// Digests of the uncompressed layers, base first.
    #[serde(default, deserialize_with = "lenient::or_null")]
    pub diff_ids: Vec<Digest>,
}

impl Config {
    /// Returns the platform of the image. A field that the config leaves out has its usual value.
    pub fn platform(&self) -> Platform {
        fn text(field: &Option<String>) -> &str {
            field.as_deref().unwrap_or_default()
        }
        let features = self.os_features.clone();
        let (os, architecture) = (text(&self.os), text(&self.architecture));
        Platform::told(os, architecture, text(&self.variant), text(&self.os_version), features)
    }
}

/// The annotation with the tag in an image layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that claims a base by name.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation that claims a base by digest.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// The label with the chain ID of a Docker Hardened Image.
pub const DHI_CHAIN_ID: &str = "com.docker.dhi.chain-id";

const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The annotation of the documents that BuildKit attaches to an image.
const ATTACHED: &str = "vnd.docker.reference.type";
/// The config of a build cache. If the cache is an index of layers, its config is an entry beside them.
const CACHE: &str = "application/vnd.buildkit.cacheconfig";
/// Words in the media types of documents that are attached to images: signatures, attestations, bills of materials.
const ATTACHMENTS: [&str; 7] = ["in-toto", "cosign", "dsse", "sigstore", "spdx", "cyclonedx", "notary"];

/// Returns the reason why a descriptor leads to no image, judged by itself (docs/concepts.md, section 3, "Not images").
/// Returns `None` if it may lead to one.
pub fn not_an_image(descriptor: &Descriptor) -> Option<&'static str> {
    if descriptor.annotations.contains_key(ATTACHED)
        || descriptor.platform.as_ref().is_some_and(Platform::is_unknown)
    {
        return Some("attestation manifest");
    }
    if descriptor.artifact_type.as_ref().is_some_and(|told| !is_image_config(told)) {
        return Some("artifact");
    }
    let told = &descriptor.media_type;
    if told.contains("/vnd.") && !told.contains("manifest") && !told.contains("index") {
        return Some("artifact: no manifest, by its media type");
    }
    descriptor.annotations.get(REF_NAME).and_then(|name| not_an_image_tag(name))
}

/// Returns the reason why a manifest is no image. Returns `None` for one that is, or may be an index of images.
pub fn not_an_image_manifest(manifest: &Manifest) -> Option<&'static str> {
    if let Some(manifests) = &manifest.manifests {
        let is_cache = |entry: &Descriptor| entry.media_type.starts_with(CACHE);
        return manifests.good().any(is_cache).then_some("build cache");
    }
    if manifest.artifact_type.as_ref().is_some_and(|told| !is_image_config(told)) {
        return Some("artifact");
    }
    let Some(config) = &manifest.config else { return Some("neither an image manifest nor an image index") };
    if config.media_type.starts_with(CACHE) {
        return Some("build cache");
    }
    if manifest.annotations.contains_key(ATTACHED) {
        return Some("attestation manifest");
    }
    if !is_image_config(&config.media_type) && !is_any_type(&config.media_type) {
        return Some("artifact: its config is no image config");
    }
    not_an_image_layers(manifest.layers.good().map(|layer| layer.media_type.as_str()))
}

/// Returns the reason why something whose layers have these media types is no image: the layers of an image are file
/// systems, and attachments of images have the same form.
pub fn not_an_image_layers<'a>(media_types: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let is_attachment =
        |told: &str| told.ends_with("json") || ATTACHMENTS.iter().any(|word| told.contains(word));
    let mut media_types = media_types.peekable();
    media_types.peek()?;
    media_types.all(is_attachment).then_some("attestation, signature or bill of materials")
}

/// Returns the reason why something with this config is no image: Docker before 1.12 gave configs any type, so only the
/// config itself can show it.
pub fn not_an_image_config(manifest: &Manifest, config: &Config) -> Option<&'static str> {
    let told = manifest.config.as_ref().map_or("", |config| config.media_type.as_str());
    (config.rootfs.is_none() && is_any_type(told)).then_some("artifact: its config is no image config")
}

fn is_image_config(media_type: &str) -> bool {
    CONFIGS.contains(&media_type)
}

/// Returns `true` if a media type does not show the kind of content.
fn is_any_type(media_type: &str) -> bool {
    matches!(media_type, "" | "application/octet-stream" | "application/json")
        || media_type.starts_with("text/")
}

/// Returns `true` for a manifest of Docker's schema 1, which has no config, and whose digest is not the digest of its
/// text.
pub fn is_schema_1(content: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marks {
        #[serde(default, deserialize_with = "lenient::field")]
        schema_version: u64,
    }
    serde_json::from_slice::<Marks>(content).is_ok_and(|marks| marks.schema_version == 1)
}

/// Returns the reason why a tag names no image: cosign keeps signatures, attestations and SBOMs under
/// `sha256-<digest>.sig` and so on.
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
