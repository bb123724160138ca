//! The facts that the watcher keeps about a repository: its tags, and the documents that their digests lead to. They
//! are small enough to keep them for all repositories.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::document::Lead;
use crate::observe::ObservedTag;
use crate::oci::{Digest, Platform};
use crate::record::{TagImage, TagItem, Timestamp};

/// The kind of a document. The content of a digest never changes, so clade never reads it again.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// An image for this platform.
    Image(Arc<Platform>),
    /// An image index with its images and inner indexes.
    Index(Box<[Digest]>),
    /// A document that is no image.
    Nothing,
    /// A document that an index calls an attestation. It counts only as such: another reference may find an image. The
    /// next start reads it again if a part of it could not be read.
    Attestation { is_read: bool },
    /// A document that clade cannot read.
    Unreadable,
    /// A document that the registry did not deliver, and may deliver later.
    Withheld(Box<Lead>),
}

/// The facts about one repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// The tags, each with its digest and the time at which the watcher first saw the tag with this digest.
    pub(super) tags: HashMap<String, (Digest, Timestamp)>,
    pub(super) manifests: HashMap<Digest, Known>,
    /// The digests that no tag needs to lead to: images claim them as their base, or they were published before this
    /// start. Those that nobody wants are forgotten after the next pass.
    pub(super) claimed: BTreeSet<Digest>,
    /// The digests that images claim as their base and that the registry did not find: `true` once it did not twice.
    pub(super) not_there: BTreeMap<Digest, bool>,
    /// The number of tags that name no images, such as those of signatures.
    pub(super) left_out: usize,
    /// The tags that the registry listed and did not find in the last poll.
    pub(super) missing: BTreeSet<String>,
    /// The tags that the last poll saw move to a document that the registry did not deliver. They keep their earlier targets
    /// until a second poll sees the same.
    pub(super) doubted: BTreeMap<String, Digest>,
    /// The tags that the registry listed and that no poll could resolve.
    pub(super) unresolved: BTreeSet<String>,
    /// The refusal of this repository that the watcher has logged.
    pub(super) refusal: Option<String>,
    /// `true` once the watcher has reported the whole repository.
    pub(super) is_told: bool,
    /// `true` if the last poll could not read everything, and the one before could: the repository may have unknown images.
    pub(super) is_partial: bool,
    /// `true` if the last poll did not see all tags that an earlier one saw.
    pub(super) has_lost: bool,
    /// `true` if the watcher reports the whole repository once more: the publisher deletes a large part only after a
    /// second report.
    pub(super) is_to_confirm: bool,
    /// `true` if the last list of repositories left this one out.
    pub(super) is_unlisted: bool,
    /// `true` if the registry does not have the repository.
    pub(super) is_absent: bool,
}

impl Repository {
    /// Returns the known documents below a digest, its own included, or `None` if any of them is unknown.
    fn below(&self, digest: &Digest) -> Option<Vec<(Digest, &Known)>> {
        let mut found = Vec::new();
        let (mut open, mut seen) = (vec![*digest], HashSet::new());
        while let Some(digest) = open.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let known = self.manifests.get(&digest)?;
            if let Known::Index(inside) = known {
                // The last one is popped first, so the reverse order keeps the order of the index.
                open.extend(inside.iter().rev());
            }
            found.push((digest, known));
        }
        Some(found)
    }

    /// Returns the images that a digest leads to, or `None` if any document below it is unknown.
    pub(super) fn images(&self, digest: &Digest) -> Option<Vec<TagImage>> {
        let image = |(digest, known): (Digest, &Known)| match known {
            Known::Image(platform) => Some(TagImage { digest, platform: Some((**platform).clone()) }),
            _ => None,
        };
        Some(self.below(digest)?.into_iter().filter_map(image).collect())
    }

    /// Returns the tag as the watcher reports it, or `None` if it leads to no image or any document below it is
    /// unknown.
    pub(super) fn observed(&self, host: &str, repository: &str, tag: &str) -> Option<ObservedTag> {
        let (digest, since) = self.tags.get(tag)?;
        let images = self.images(digest)?;
        let below = self.below(digest)?;
        // A document that clade cannot read may be an image, also inside an index. The tag has moved there in any case.
        let may_be = below.iter().any(|(_, known)| matches!(known, Known::Unreadable | Known::Withheld(_)));
        let is_read = |(_, known): (Digest, &Known)| {
            !matches!(known, Known::Unreadable | Known::Withheld(_) | Known::Attestation { is_read: false })
        };
        let complete = below.into_iter().all(is_read);
        (may_be || !images.is_empty()).then(|| ObservedTag {
            complete,
            source: Some(host.to_owned()),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            items: vec![TagItem { since: *since, digest: Some(*digest), images }],
        })
    }

    /// Forgets the manifests that neither a tag nor a claim leads to.
    pub(super) fn forget_untagged(&mut self) {
        let tagged: HashSet<Digest> = self
            .tags
            .values()
            .map(|(digest, _)| digest)
            .chain(self.doubted.values())
            .chain(&self.claimed)
            .filter_map(|digest| self.below(digest))
            .flat_map(|below| below.into_iter().map(|(digest, _)| digest))
            .collect();
        self.manifests.retain(|digest, _| tagged.contains(digest));
    }

    /// Returns the documents that the registry did not deliver, so that the watcher requests them again.
    pub(super) fn withheld(&self) -> Vec<Lead> {
        let lead = |known: &Known| match known {
            Known::Withheld(lead) => Some((**lead).clone()),
            _ => None,
        };
        self.manifests.values().filter_map(lead).collect()
    }

    /// Returns `true` if the registry did not deliver this document.
    pub(super) fn is_withheld(&self, digest: &Digest) -> bool {
        matches!(self.manifests.get(digest), Some(Known::Withheld(_)))
    }

    /// Returns the image indexes with the images that each leads to.
    pub(super) fn indexes(&self) -> impl Iterator<Item = (Digest, Vec<TagImage>)> {
        let indexes = self.manifests.iter().filter(|(_, known)| matches!(known, Known::Index(_)));
        indexes.filter_map(|(digest, _)| Some((*digest, self.images(digest)?)))
    }

    /// Returns the digests of all documents that are or may be images.
    pub(super) fn all_images(&self) -> impl Iterator<Item = Digest> {
        let may_be =
            |known: &Known| !matches!(known, Known::Index(_) | Known::Nothing | Known::Attestation { .. });
        self.manifests.iter().filter(move |(_, known)| may_be(known)).map(|(digest, _)| *digest)
    }
}

/// The platforms of all images. There are few, and a million images share them.
#[derive(Default)]
pub(super) struct Platforms(Mutex<HashSet<Arc<Platform>>>);

impl Platforms {
    pub(super) fn shared(&self, platform: &Platform) -> Arc<Platform> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(platform) {
            return Arc::clone(known);
        }
        let new = Arc::new(platform.clone());
        all.insert(Arc::clone(&new));
        new
    }
}
