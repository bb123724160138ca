//! Computes the versions of a class from the targets of the tag that it follows. Pure.

use std::collections::BTreeSet;

use crate::class::Class;
use crate::oci::{ChainId, Digest, LayerIdentity, Platform};
use crate::record::catalog::ImageChain;
use crate::record::{ImageRecord, Timestamp, VersionRecord};

/// A target of a followed tag from one moment on, with those of its images that are known.
pub(super) struct Target {
    pub(super) since: Timestamp,
    pub(super) digest: Digest,
    pub(super) images: Vec<ImageChain>,
}

/// The new state of a class's version list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// The versions to write: new ones, and ones with more known platforms.
    pub(super) changed: Vec<VersionRecord>,
    /// The new number of versions.
    pub(super) count: u32,
    /// The number of the current version.
    pub(super) current: Option<u32>,
}

/// The version list of a class whose followed tag has had these targets, oldest first.
///
/// Numbers follow the order in which clade learns of versions and never change; `since` has the time. A target with the
/// chains of the version before it is the same version published again.
pub(super) fn versions(name: &str, class: Option<&Class>, targets: &[Target]) -> Versions {
    let known: Vec<&VersionRecord> =
        class.iter().flat_map(|class| class.versions().map(AsRef::as_ref)).collect();
    let mut result = Versions {
        count: class.map_or(0, |class| class.record.versions),
        // A class keeps its current version when the followed tag is gone and nothing else is known.
        current: class.and_then(|class| class.record.current),
        changed: Vec::new(),
    };
    let mut before: Option<(u32, Content)> = None;
    for target in targets.iter().filter(|target| !target.images.is_empty()) {
        let content = content(&target.images);
        let recorded =
            known.iter().find(|version| version.since == target.since && version.digest == target.digest);
        let number = match (recorded, &before) {
            (Some(version), _) => {
                if version.images.len() < target.images.len() {
                    result.changed.push(version_record(name, version.number, target));
                }
                version.number
            }
            (None, Some((number, same))) if *same == content => *number,
            (None, _) => {
                result.changed.push(version_record(name, result.count, target));
                result.count += 1;
                result.count - 1
            }
        };
        before = Some((number, content));
        result.current = Some(number);
    }
    result
}

type Content = BTreeSet<(Platform, LayerIdentity, ChainId)>;

fn content(images: &[ImageChain]) -> Content {
    images.iter().map(|image| (image.platform.clone(), image.layer_identity, image.chain_id)).collect()
}

fn version_record(class: &str, number: u32, target: &Target) -> VersionRecord {
    VersionRecord {
        class: class.to_owned(),
        number,
        digest: target.digest,
        since: target.since,
        images: target.images.clone(),
    }
}

/// The chain of an image, or `None` if it has no layers.
pub(super) fn image_chain(image: &ImageRecord) -> Option<ImageChain> {
    let chain = image.chain();
    Some(ImageChain {
        digest: image.digest,
        platform: image.platform.clone(),
        layer_identity: image.layer_identity,
        chain_id: chain.last()?,
        layers: chain.layers().to_vec(),
    })
}
