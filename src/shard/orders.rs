//! The images of a shard in the orders in which questions list them.
//!
//! An order is built when a question first needs it, and kept up to date from then on: a processor without readers pays
//! for none, and a restart builds none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::columns::Row;
use super::interner::{Interned, Interner};
use crate::index::{ChainIndex, ImageId};
use crate::oci::{Digest, Timestamp};

/// An image's classification and platform, which decide most conditions of a filter. Thousands of images
/// share one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    pub(super) classification: Option<Interned>,
    pub(super) platform: Interned,
}

/// The first bytes of a digest. They order images by digest without a look at the digests, apart from those that share
/// them.
pub(super) type Beginning = u32;

/// Images by digest.
pub(super) type ByDigest = BTreeSet<(Beginning, ImageId)>;

/// The orders that were asked for. Copies of a shard share what is asked for, and each has its own orders.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    pub(super) wanted: Arc<Wanted>,
    pub(super) digests: OnceLock<ByDigest>,
    pub(super) image_ids: OnceLock<ByDigest>,
    pub(super) created: OnceLock<BTreeSet<(Option<Timestamp>, Beginning, ImageId)>>,
    pub(super) kinds: OnceLock<BTreeMap<Kind, ByDigest>>,
    /// The images of each repository. Images without one stand under the empty name.
    pub(super) repositories: OnceLock<BTreeMap<String, ByDigest>>,
}

/// The orders that a question has needed: a copy that readers have not seen yet is given them before they see it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) digests: OnceLock<()>,
    pub(super) image_ids: OnceLock<()>,
    pub(super) created: OnceLock<()>,
    pub(super) kinds: OnceLock<()>,
    pub(super) repositories: OnceLock<()>,
}

/// The facts about an image that decide its places.
pub(super) struct Keys<'a> {
    pub(super) digest: &'a Digest,
    pub(super) image_id: Option<&'a Digest>,
    pub(super) created: Option<Timestamp>,
    pub(super) kind: Kind,
    pub(super) repositories: &'a [String],
}

impl<'a> Keys<'a> {
    pub(super) fn of(
        index: &'a ChainIndex,
        rows: &'a [Row],
        repositories: &'a Interner<Vec<String>>,
        id: ImageId,
    ) -> Self {
        let row = &rows[id.index()];
        Self {
            digest: index.digest(id),
            image_id: row.config.as_ref(),
            created: row.created,
            kind: row.kind(),
            repositories: repositories.get(row.repositories).map_or(&[], |names| names.as_slice()),
        }
    }
}

impl Orders {
    /// Enters an image into the orders that are there.
    pub(super) fn insert(&mut self, id: ImageId, keys: &Keys<'_>) {
        let place = (beginning(keys.digest), id);
        if let Some(digests) = self.digests.get_mut() {
            digests.insert(place);
        }
        if let (Some(image_ids), Some(image_id)) = (self.image_ids.get_mut(), keys.image_id) {
            image_ids.insert((beginning(image_id), id));
        }
        if let Some(created) = self.created.get_mut() {
            created.insert((keys.created, place.0, id));
        }
        if let Some(kinds) = self.kinds.get_mut() {
            kinds.entry(keys.kind).or_default().insert(place);
        }
        if let Some(repositories) = self.repositories.get_mut() {
            for name in names(keys.repositories) {
                match repositories.get_mut(name) {
                    Some(images) => images.insert(place),
                    None => repositories.entry(name.to_owned()).or_default().insert(place),
                };
            }
        }
    }

    /// Removes an image that was entered with these keys.
    pub(super) fn remove(&mut self, id: ImageId, keys: &Keys<'_>) {
        let place = (beginning(keys.digest), id);
        if let Some(digests) = self.digests.get_mut() {
            digests.remove(&place);
        }
        if let (Some(image_ids), Some(image_id)) = (self.image_ids.get_mut(), keys.image_id) {
            image_ids.remove(&(beginning(image_id), id));
        }
        if let Some(created) = self.created.get_mut() {
            created.remove(&(keys.created, place.0, id));
        }
        if let Some(kinds) = self.kinds.get_mut() {
            remove(kinds, &keys.kind, place);
        }
        if let Some(repositories) = self.repositories.get_mut() {
            for name in names(keys.repositories) {
                remove(repositories, name, place);
            }
        }
    }

    /// Moves an image from one kind to another.
    pub(super) fn change_kind(&mut self, id: ImageId, digest: &Digest, before: Kind, now: Kind) {
        let Some(kinds) = self.kinds.get_mut().filter(|_| before != now) else { return };
        let place = (beginning(digest), id);
        remove(kinds, &before, place);
        kinds.entry(now).or_default().insert(place);
    }

    /// Takes over the new numbers after the index has renumbered its images.
    pub(super) fn renumber(&mut self, new: impl Fn(ImageId) -> ImageId) {
        let all = |images: &mut ByDigest| {
            *images = std::mem::take(images).into_iter().map(|(at, id)| (at, new(id))).collect();
        };
        self.digests.get_mut().into_iter().chain(self.image_ids.get_mut()).for_each(all);
        self.kinds.get_mut().into_iter().flat_map(BTreeMap::values_mut).for_each(all);
        self.repositories.get_mut().into_iter().flat_map(BTreeMap::values_mut).for_each(all);
        if let Some(created) = self.created.get_mut() {
            *created =
                std::mem::take(created).into_iter().map(|(time, at, id)| (time, at, new(id))).collect();
        }
    }
}

pub(super) fn beginning(digest: &Digest) -> Beginning {
    let mut first = [0; size_of::<Beginning>()];
    first.copy_from_slice(&digest.as_bytes()[..size_of::<Beginning>()]);
    Beginning::from_be_bytes(first)
}

/// The names under which an image stands.
pub(super) fn names(repositories: &[String]) -> impl Iterator<Item = &str> {
    let none = repositories.is_empty().then_some("");
    repositories.iter().map(String::as_str).chain(none)
}

fn remove<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized>(
    groups: &mut BTreeMap<K, ByDigest>,
    key: &Q,
    place: (Beginning, ImageId),
) {
    if let Some(images) = groups.get_mut(key) {
        images.remove(&place);
        if images.is_empty() {
            groups.remove(key);
        }
    }
}
