//! Exports the versions of classes, so that another clade can import them.

use std::sync::Arc;

use super::Query;
use super::answer::{ExportedImage, ExportedVersion};
use super::reference::RefError;
use crate::declare::{Followed, followed};
use crate::record::{Origin, VersionRecord};
use crate::shard::Shard;

/// Versions of classes, with the tag that their class follows. Lines are made as they are taken.
pub struct Versions(Vec<(String, Arc<VersionRecord>)>);

impl Query {
    /// The versions of all classes that follow a tag, or of one class. Versions that rest on claims are left out: each
    /// clade looks for them in its own registries.
    pub fn versions(&self, class: Option<&str>) -> Result<Versions, RefError> {
        if let Some(class) = class {
            self.require_class(class)?;
        }
        // Every shard has the same catalog, apart from how far each has read it.
        let has = |shard: &&Shard| class.is_none_or(|name| shard.catalog().class(name).is_some());
        let Some(shard) = self.shards().find(has) else { return Ok(Versions(Vec::new())) };
        let mut versions = Vec::new();
        for of in shard.catalog().classes().filter(|of| class.is_none_or(|name| of.record.name == name)) {
            let Ok(Followed::Tag(tag)) = followed(&of.record.from) else { continue };
            let proven = of.versions().filter(|version| version.origin != Origin::Claimed);
            versions.extend(proven.map(|version| (tag.clone(), Arc::clone(version))));
        }
        // The last one is taken first.
        versions.sort_by(|(tag, version), (other, than)| (other, than.age()).cmp(&(tag, version.age())));
        Ok(Versions(versions))
    }
}

impl Iterator for Versions {
    type Item = ExportedVersion;

    fn next(&mut self) -> Option<ExportedVersion> {
        let (version_of, version) = self.0.pop()?;
        let images = version.images.iter().map(|image| ExportedImage {
            digest: image.digest,
            platform: image.platform.clone(),
            layer_identity: image.layer_identity,
            layers: image.layers.clone(),
            blobs: image.blobs.clone(),
        });
        Some(ExportedVersion {
            version_of,
            digest: version.digest,
            since: version.since,
            built: version.built,
            images: images.collect(),
        })
    }
}
