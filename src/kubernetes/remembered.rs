//! Reads the versions of a class back from the status of its object.
//!
//! clade writes the status; a clade whose log is new has nothing else that names versions whose images are pruned.

use super::class::{ClassVersion, VersionImage};
use super::declared::DeclaredClass;
use crate::declare::{Followed, followed};
use crate::observe::ObservedVersion;
use crate::oci::Digest;
use crate::record::Origin;
use crate::record::catalog::ImageChain;

/// Origins that stay true whatever the class declares now. What patterns and claims have named they name again, if the
/// declaration still has them and the images are still there.
const LASTING: [Origin; 3] = [Origin::Observed, Origin::History, Origin::Adopted];

/// The versions in the status of a class that follows a tag, or the reason why one cannot be read. Those that clade wrote
/// before it wrote layers are left out.
pub(super) fn versions(class: &DeclaredClass) -> Vec<Result<ObservedVersion, String>> {
    let Some(from) = class.from.clone() else { return Vec::new() };
    let Ok(Followed::Tag(tag)) = followed(&from.into()) else { return Vec::new() };
    let is_lasting = |version: &&ClassVersion| {
        LASTING.iter().any(|origin| version.origin.as_deref() == Some(origin.as_str()))
            && version.images.iter().all(|image| !image.layers.is_empty())
    };
    let read = |version| {
        read(version, &tag).map_err(|problem| format!("version {} in the status: {problem}", version.digest))
    };
    class.remembered().filter(is_lasting).map(read).collect()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::kubernetes::class::{ImageClassStatus, ImageSource};
    use crate::oci::{LayerChain, LayerIdentity};
    use crate::record::ReferenceKind;

    fn source(tag: &str) -> ImageSource {
        let namespace = Some("shop".to_owned());
        ImageSource { kind: ReferenceKind::ImageStreamTag, name: tag.to_owned(), namespace }
    }

    fn version(origin: Origin, layer: &[u8]) -> ClassVersion {
        let layer = Digest::of(layer);
        let chain = LayerChain::new(LayerIdentity::Blob, [layer]);
        let image = VersionImage {
            image: Digest::of(b"image").to_string(),
            platform: "linux/amd64".to_owned(),
            layer_identity: LayerIdentity::Blob,
            chains: chain.chain_ids().map(|id| id.to_string()).collect(),
            layers: vec![layer.to_string()],
            blobs: Vec::new(),
        };
        ClassVersion {
            digest: Digest::of(b"image").to_string(),
            origin: Some(origin.as_str().to_owned()),
            since: Some("2026-01-01T00:00:00Z".to_owned()),
            until: None,
            images: vec![image],
        }
    }

    /// What a class that follows `base:2` takes of such a status.
    fn taken(of: &str, history: Vec<ClassVersion>) -> Vec<Result<ObservedVersion, String>> {
        let status = ImageClassStatus { from: Some(source(of)), history, ..ImageClassStatus::default() };
        let from = Some(source("base:2"));
        let class =
            DeclaredClass { name: "base".to_owned(), generation: Some(7), status, from, problem: None };
        versions(&class)
    }

    #[test]
    fn a_class_takes_the_versions_of_the_reference_that_it_follows_and_of_no_other() {
        let found = taken("base:2", vec![version(Origin::Observed, b"A"), version(Origin::History, b"B")]);
        assert_eq!(found.iter().filter(|version| version.is_ok()).count(), 2);
        assert_eq!(found[0].as_ref().unwrap().tag, "shop/base:2");
        assert!(taken("base:1", vec![version(Origin::Observed, b"A")]).is_empty());
    }

    #[test]
    fn what_claims_and_patterns_have_named_is_left_to_them() {
        assert!(
            taken("base:2", vec![version(Origin::Claimed, b"A"), version(Origin::Pattern, b"B")]).is_empty()
        );
    }

    #[test]
    fn layers_that_do_not_have_the_chain_id_beside_them_are_refused() {
        let mut changed = version(Origin::Observed, b"A");
        changed.images[0].layers = vec![Digest::of(b"other").to_string()];
        let problem = taken("base:2", vec![changed]).remove(0).unwrap_err();
        assert!(problem.contains("have another chain ID"), "{problem}");
    }
}
