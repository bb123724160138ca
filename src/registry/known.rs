//! What is known of a repository: its tags, and what their digests lead to. So little that it can be kept of all of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::document::Lead;
use crate::observe::ObservedTag;
use crate::oci::{Digest, Platform};
use crate::record::{TagImage, TagItem, Timestamp};

/// What a manifest was found to be. Digests tell their content: it is never read again.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// An image for this platform.
    Image(Arc<Platform>),
    /// An image index, and what it has of images and of other indexes.
    Index(Box<[Digest]>),
    /// Anything that is no image.
    Nothing,
    /// What cannot be read.
    Unreadable,
    /// What the registry did not give, and may give later.
    Withheld(Box<Lead>),
}

/// A repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Its tags, each with its digest and the moment at which it was first seen with it.
    pub(super) tags: HashMap<String, (Digest, Timestamp)>,
    pub(super) manifests: HashMap<Digest, Known>,
    /// Tags that name no images, as those of signatures.
    pub(super) left_out: usize,
    /// The tags that are listed and were not found when they were last looked at.
    pub(super) missing: BTreeSet<String>,
    /// The tags that are listed and of which it could not be found out where they point.
    pub(super) unresolved: BTreeSet<String>,
    /// Why it is not for us, as it was told.
    pub(super) refusal: Option<String>,
    /// Whether what is known was told as a whole.
    pub(super) is_told: bool,
    /// Whether something of it could not be had when it was last looked at, so that there may be images that are not known.
    pub(super) is_partial: bool,
    /// Whether the last look missed tags that were there before.
    pub(super) has_lost: bool,
    /// Whether it is to be told as a whole once more: what vanished is believed when it is told by a second look.
    pub(super) is_to_confirm: bool,
    /// Whether the registry does not have it.
    pub(super) is_absent: bool,
}

impl Repository {
    /// What is known to be below a digest, which is left out if anything is not.
    fn below(&self, digest: &Digest) -> Option<Vec<(Digest, &Known)>> {
        let mut found = Vec::new();
        let (mut open, mut seen) = (vec![*digest], HashSet::new());
        while let Some(digest) = open.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let known = self.manifests.get(&digest)?;
            if let Known::Index(inside) = known {
                // The first is looked at first.
                open.extend(inside.iter().rev());
            }
            found.push((digest, known));
        }
        Some(found)
    }

    /// The images that a digest leads to; none if not everything below it is known.
    pub(super) fn images(&self, digest: &Digest) -> Option<Vec<TagImage>> {
        let image = |(digest, known): (Digest, &Known)| match known {
            Known::Image(platform) => Some(TagImage { digest, platform: Some((**platform).clone()) }),
            _ => None,
        };
        Some(self.below(digest)?.into_iter().filter_map(image).collect())
    }

    /// The tag as it is told; none if it leads to no image, or not everything below it is known.
    pub(super) fn observed(&self, host: &str, repository: &str, tag: &str) -> Option<ObservedTag> {
        let (digest, since) = self.tags.get(tag)?;
        let images = self.images(digest)?;
        // What cannot be read may be an image. The tag has moved there, in any case.
        let may_be = matches!(self.manifests.get(digest), Some(Known::Unreadable | Known::Withheld(_)));
        (may_be || !images.is_empty()).then(|| ObservedTag {
            source: Some(host.to_owned()),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            items: vec![TagItem { since: *since, digest: Some(*digest), images }],
        })
    }

    /// Forgets the manifests that no tag leads to.
    pub(super) fn forget_untagged(&mut self) {
        let tagged: HashSet<Digest> = self
            .tags
            .values()
            .filter_map(|(digest, _)| self.below(digest))
            .flat_map(|below| below.into_iter().map(|(digest, _)| digest))
            .collect();
        self.manifests.retain(|digest, _| tagged.contains(digest));
    }

    /// What the registry did not give, to be asked for again.
    pub(super) fn withheld(&self) -> Vec<Lead> {
        let lead = |known: &Known| match known {
            Known::Withheld(lead) => Some((**lead).clone()),
            _ => None,
        };
        self.manifests.values().filter_map(lead).collect()
    }

    /// The image indexes with what each leads to.
    pub(super) fn indexes(&self) -> impl Iterator<Item = (Digest, Vec<TagImage>)> {
        let indexes = self.manifests.iter().filter(|(_, known)| matches!(known, Known::Index(_)));
        indexes.filter_map(|(digest, _)| Some((*digest, self.images(digest)?)))
    }

    /// The digests of what is or may be an image.
    pub(super) fn all_images(&self) -> impl Iterator<Item = Digest> {
        let may_be = |known: &Known| !matches!(known, Known::Index(_) | Known::Nothing);
        self.manifests.iter().filter(move |(_, known)| may_be(known)).map(|(digest, _)| *digest)
    }
}

/// The platforms of all images: there are few, and a million images share them.
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
