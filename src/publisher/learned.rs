//! Versions of which clade learns more: an image that was known by its blobs has been read with its config since. Its
//! chain of diff IDs then counts as well.

use std::collections::BTreeSet;

use super::{PublishError, Publisher};
use crate::class::Class;
use crate::oci::{Digest, LayerIdentity};
use crate::record::catalog::ImageChain;
use crate::record::{CatalogRecord, Origin, VersionRecord};

/// Images of a class that clade would like to read with their configs, at most: those of the newest versions.
const MOST_WANTED: usize = 1_000;

impl Publisher {
    /// The classes with versions of which pending images say more than is recorded.
    pub(super) fn classes_of_learned_images(&mut self) -> Vec<String> {
        let learned = std::mem::take(&mut self.pending.learned);
        if learned.is_empty() {
            return Vec::new();
        }
        let has_any = |class: &&Class| {
            class.versions().flat_map(|version| &version.images).any(|image| learned.contains(&image.digest))
        };
        self.catalog.classes().filter(has_any).map(|class| class.record.name.clone()).collect()
    }

    /// Brings the chains of a class's versions up to date. Returns `true` if any has changed.
    pub(super) fn learn(&mut self, class: &str) -> Result<bool, PublishError> {
        let versions = self.catalog.class(class).into_iter().flat_map(Class::versions);
        // A version with all that there is to know needs no look-up.
        let lacking: Vec<VersionRecord> = versions
            .filter(|version| version.images.iter().any(|image| image.blobs.is_empty()))
            .map(|version| VersionRecord::clone(version))
            .collect();
        let mut has_changed = false;
        for mut version in lacking {
            let before = version.images.clone();
            version.images =
                version.images.into_iter().map(|image| self.as_known(image)).collect::<Result<_, _>>()?;
            if version.images != before {
                self.put(CatalogRecord::ImageClassVersion(version));
                has_changed = true;
            }
        }
        Ok(has_changed)
    }

    /// The chain of an image as it is known by now.
    pub(super) fn as_known(&mut self, image: ImageChain) -> Result<ImageChain, PublishError> {
        if !image.blobs.is_empty() {
            return Ok(image);
        }
        Ok(match self.chain(&image.digest)?.flatten() {
            Some(known) if !known.blobs.is_empty() => ImageChain { platform: image.platform, ..known },
            _ => image,
        })
    }

    /// The images of imported versions of which only the blobs are known. The registry of the followed tag may still have
    /// them, with their diff IDs.
    pub(super) fn known_by_blobs(&self, class: &str) -> BTreeSet<Digest> {
        let mut versions: Vec<_> = self.catalog.class(class).into_iter().flat_map(Class::versions).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.age()));
        let images =
            versions.into_iter().flat_map(|version| version.images.iter().map(move |image| (version, image)));
        let is_wanted = |(version, image): &(&std::sync::Arc<VersionRecord>, &ImageChain)| {
            image.layer_identity == LayerIdentity::Blob
                // A live source that has the image reads all that it can.
                && self.is_only_imported(&image.digest).unwrap_or(version.origin == Origin::History)
        };
        images.filter(is_wanted).map(|(_, image)| image.digest).take(MOST_WANTED).collect()
    }

    /// Returns `None` for an image that is not known.
    fn is_only_imported(&self, digest: &Digest) -> Option<bool> {
        match self.pending.images.get(digest) {
            Some(pending) => pending.as_ref().map(|image| image.sources.is_empty()),
            None => self.places.image(digest).map(|_| !self.places.has_live_source(digest)),
        }
    }
}
