//! Reads the versions of a class back from the status of its object.
//!
//! clade writes the status; a clade whose log is new has nothing else that names versions whose images are pruned.

use super::class::{ClassVersion, VersionImage};
use super::declared::DeclaredClass;
use crate::declare::{ClassSpec, Followed, followed};
use crate::observe::ObservedVersion;
use crate::oci::Digest;
use crate::record::catalog::ImageChain;

/// The versions in the status of a class that follows a tag. A version that cannot be read is told and left out; those that
/// clade wrote before it wrote layers have none.
pub(super) fn remembered(class: &DeclaredClass, spec: &ClassSpec) -> Vec<ObservedVersion> {
    let Ok(Followed::Tag(tag)) = followed(&spec.from) else { return Vec::new() };
    let has_layers = |version: &&ClassVersion| version.images.iter().all(|image| !image.layers.is_empty());
    let versions = class.remembered().filter(has_layers);
    versions
        .filter_map(|version| match read(version, &tag) {
            Ok(version) => Some(version),
            Err(problem) => {
                let (class, version) = (&class.name, &version.digest);
                tracing::warn!(class, version, problem, "a version in the status of a class cannot be read");
                None
            }
        })
        .collect()
}

fn read(version: &ClassVersion, tag: &str) -> Result<ObservedVersion, String> {
    let since =
        version.since.as_deref().map(|since| since.parse().map_err(|error| format!("since: {error}")));
    Ok(ObservedVersion {
        tag: tag.to_owned(),
        digest: digest(&version.digest)?,
        since: since.transpose()?,
        built: None,
        images: version.images.iter().map(image).collect::<Result<_, _>>()?,
    })
}

fn image(image: &VersionImage) -> Result<ImageChain, String> {
    let digests = |texts: &[String]| texts.iter().map(|text| digest(text)).collect::<Result<Vec<_>, _>>();
    let platform = image.platform.parse().map_err(|error| format!("platform: {error}"))?;
    let (layers, blobs) = (digests(&image.layers)?, digests(&image.blobs)?);
    let chain = ImageChain::new(digest(&image.image)?, platform, image.layer_identity, layers, blobs)?;
    match image.chains.last() {
        Some(id) if *id == chain.chain_id.to_string() => Ok(chain),
        _ => Err(format!("the layers of the image {} have another chain ID", image.image)),
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}
