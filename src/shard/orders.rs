//! The images of a shard in the orders in which questions list them.
//!
//! An order is built when a question first needs it, and kept up to date from then on: a processor without readers pays
//! for none, and a restart builds none.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use super::Shard;
use super::columns::Row;
use super::interner::{Interned, Interner};
use crate::index::{ChainIndex, ImageId};
use crate::oci::{Digest, Timestamp};

/// What decides whether an image matches most conditions: its classification and its platform. Thousands of images
/// share one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    pub(super) classification: Option<Interned>,
    pub(super) platform: Interned,
}

/// The first bytes of a digest. They order images by digest without a look at the digests, apart from those that share
/// them.
type Beginning = u32;

/// Images by digest.
type ByDigest = BTreeSet<(Beginning, ImageId)>;

/// The orders that were asked for. Copies of a shard share what is asked for, and each has its own orders.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    wanted: Arc<Wanted>,
    digests: OnceLock<ByDigest>,
    image_ids: OnceLock<ByDigest>,
    created: OnceLock<BTreeSet<(Option<Timestamp>, Beginning, ImageId)>>,
    kinds: OnceLock<BTreeMap<Kind, ByDigest>>,
    /// The images of each repository. Images without one stand under the empty name.
    repositories: OnceLock<BTreeMap<String, ByDigest>>,
}

/// The orders that a question has needed: a copy that readers have not seen yet is given them before they see it.
#[derive(Debug, Default)]
struct Wanted {
    digests: OnceLock<()>,
    image_ids: OnceLock<()>,
    created: OnceLock<()>,
    kinds: OnceLock<()>,
    repositories: OnceLock<()>,
}

/// Whatever of an image decides its places.
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

fn beginning(digest: &Digest) -> Beginning {
    let mut first = [0; size_of::<Beginning>()];
    first.copy_from_slice(&digest.as_bytes()[..size_of::<Beginning>()]);
    Beginning::from_be_bytes(first)
}

/// The names under which an image stands.
fn names(repositories: &[String]) -> impl Iterator<Item = &str> {
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

impl Shard {
    /// The kinds that images have, each with the number of its images.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, usize)> {
        self.by_kind().iter().map(|(kind, images)| (*kind, images.len()))
    }

    /// The images of a kind, by digest; those after `after`.
    pub fn of_kind<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a Digest>,
    ) -> impl Iterator<Item = ImageId> + 'a {
        self.by_kind().get(&kind).into_iter().flat_map(move |images| self.by_digest(images, after))
    }

    /// The repositories whose names are not before `from`, each with the number of its images. Images without a
    /// repository stand under the empty name.
    pub fn repositories<'a>(&'a self, from: &str) -> impl Iterator<Item = (&'a str, usize)> + use<'a> {
        let names = self.by_repository().range::<str, _>((Bound::Included(from), Bound::Unbounded));
        names.map(|(name, images)| (name.as_str(), images.len()))
    }

    /// The images of a repository, by digest; those after `after`.
    pub fn of_repository<'a>(
        &'a self,
        name: &str,
        after: Option<&'a Digest>,
    ) -> impl Iterator<Item = ImageId> + use<'a> {
        self.by_repository().get(name).into_iter().flat_map(move |images| self.by_digest(images, after))
    }

    /// All images by time of creation, those without a time first, and by digest.
    pub fn oldest<'a>(
        &'a self,
        after: Option<(Option<Timestamp>, &'a Digest)>,
    ) -> impl Iterator<Item = ImageId> + 'a {
        let from = after.map_or((None, 0), |(time, digest)| (time, beginning(digest)));
        let places = self.by_time().range((from.0, from.1, ImageId::FIRST)..);
        let runs = self.in_runs(places.map(|(time, at, id)| ((*time, *at), *id)), Ord::cmp);
        let is_before = move |id: &ImageId| {
            after.is_some_and(|(time, digest)| (self.created(*id), self.index.digest(*id)) <= (time, digest))
        };
        runs.skip_while(is_before)
    }

    /// The same images in the opposite order.
    pub fn newest<'a>(
        &'a self,
        after: Option<(Option<Timestamp>, &'a Digest)>,
    ) -> impl Iterator<Item = ImageId> + 'a {
        let (from, last) = match after {
            Some((time, digest)) => ((time, beginning(digest), ImageId::LAST), true),
            None => ((None, 0, ImageId::FIRST), false),
        };
        let places = if last { self.by_time().range(..=from) } else { self.by_time().range(..) };
        let runs = self.in_runs(places.rev().map(|(time, at, id)| ((*time, *at), *id)), |a, b| b.cmp(a));
        let is_before = move |id: &ImageId| {
            after.is_some_and(|(time, digest)| (self.created(*id), self.index.digest(*id)) >= (time, digest))
        };
        runs.skip_while(is_before)
    }

    /// The images whose digest begins with these hexadecimal digits.
    pub fn beginning_with<'a>(&'a self, digits: &'a str) -> impl Iterator<Item = ImageId> + 'a {
        let begins = move |id: &ImageId| begins(self.index.digest(*id), digits);
        between(self.by_digests(), digits).filter(begins)
    }

    /// The images whose image ID begins with these hexadecimal digits.
    pub fn called<'a>(&'a self, digits: &'a str) -> impl Iterator<Item = ImageId> + 'a {
        let begins = move |id: &ImageId| {
            self.rows[id.index()].config.as_ref().is_some_and(|image_id| begins(image_id, digits))
        };
        between(self.by_image_id(), digits).filter(begins)
    }

    /// Builds the orders that questions have needed. A reader that builds one holds the shard for as long as that takes, and the
    /// processor, which needs its copy back, may lose it to a new copy.
    pub fn build_orders(&self) {
        let wanted = &self.orders.wanted;
        if wanted.digests.get().is_some() {
            self.by_digests();
        }
        if wanted.image_ids.get().is_some() {
            self.by_image_id();
        }
        if wanted.created.get().is_some() {
            self.by_time();
        }
        if wanted.kinds.get().is_some() {
            self.by_kind();
        }
        if wanted.repositories.get().is_some() {
            self.by_repository();
        }
    }

    fn by_digests(&self) -> &ByDigest {
        self.orders.wanted.digests.get_or_init(|| ());
        self.orders.digests.get_or_init(|| self.index.images().map(|id| self.place(id)).collect())
    }

    fn by_image_id(&self) -> &ByDigest {
        self.orders.wanted.image_ids.get_or_init(|| ());
        let place = |id: ImageId| Some((beginning(self.rows[id.index()].config.as_ref()?), id));
        self.orders.image_ids.get_or_init(|| self.index.images().filter_map(place).collect())
    }

    fn by_kind(&self) -> &BTreeMap<Kind, ByDigest> {
        self.orders.wanted.kinds.get_or_init(|| ());
        self.orders.kinds.get_or_init(|| {
            let mut places: Vec<_> = self.index.images().map(|id| (self.kind(id), self.place(id))).collect();
            places.sort_unstable();
            let groups = places.chunk_by(|a, b| a.0 == b.0);
            groups.map(|group| (group[0].0, group.iter().map(|(_, place)| *place).collect())).collect()
        })
    }

    fn by_repository(&self) -> &BTreeMap<String, ByDigest> {
        self.orders.wanted.repositories.get_or_init(|| ());
        self.orders.repositories.get_or_init(|| {
            let names = |id| names(self.repositories_of(id)).map(move |name| (name, self.place(id)));
            let mut places: Vec<(&str, (Beginning, ImageId))> = self.index.images().flat_map(names).collect();
            places.sort_unstable();
            let groups = places.chunk_by(|a, b| a.0 == b.0);
            groups
                .map(|group| (group[0].0.to_owned(), group.iter().map(|(_, place)| *place).collect()))
                .collect()
        })
    }

    fn by_time(&self) -> &BTreeSet<(Option<Timestamp>, Beginning, ImageId)> {
        self.orders.wanted.created.get_or_init(|| ());
        self.orders.created.get_or_init(|| {
            let place = |id| (self.created(id), beginning(self.index.digest(id)), id);
            self.index.images().map(place).collect()
        })
    }

    fn place(&self, id: ImageId) -> (Beginning, ImageId) {
        (beginning(self.index.digest(id)), id)
    }

    /// The images after `after`, by their whole digests.
    fn by_digest<'a>(
        &'a self,
        images: &'a ByDigest,
        after: Option<&'a Digest>,
    ) -> impl Iterator<Item = ImageId> + 'a {
        let from = after.map_or(0, beginning);
        let places = images.range((from, ImageId::FIRST)..).copied();
        let is_before = move |id: &ImageId| after.is_some_and(|after| self.index.digest(*id) <= after);
        self.in_runs(places, Ord::cmp).skip_while(is_before)
    }

    /// Puts those that share their key into the order of their digests: there are few at a time.
    fn in_runs<'a, K: PartialEq + Copy + 'a>(
        &'a self,
        places: impl Iterator<Item = (K, ImageId)> + 'a,
        compare: impl Fn(&Digest, &Digest) -> std::cmp::Ordering + 'a,
    ) -> impl Iterator<Item = ImageId> + 'a {
        let mut places = places.peekable();
        let mut run: Vec<ImageId> = Vec::new();
        std::iter::from_fn(move || {
            if let Some(id) = run.pop() {
                return Some(id);
            }
            let (key, first) = places.next()?;
            let shares = |place: &(K, ImageId)| place.0 == key;
            let Some((_, second)) = places.next_if(shares) else { return Some(first) };
            run.extend([first, second]);
            while let Some((_, id)) = places.next_if(shares) {
                run.push(id);
            }
            // The first to come is the last of the list.
            run.sort_unstable_by(|a, b| compare(self.index.digest(*b), self.index.digest(*a)));
            run.pop()
        })
    }
}

/// Images whose digests may begin with these digits: the order knows only the first bytes.
fn between<'a>(images: &'a ByDigest, digits: &str) -> impl Iterator<Item = ImageId> + 'a {
    const DIGITS: usize = size_of::<Beginning>() * 2;
    let first: String = digits.chars().take(DIGITS).collect();
    // Whatever is no hexadecimal digit is the beginning of no digest.
    let bound = |filler: &str| {
        Beginning::from_str_radix(
            &format!("{first}{}", filler.repeat(DIGITS.saturating_sub(first.len()))),
            16,
        )
    };
    let range = bound("0").ok().zip(bound("f").ok());
    range
        .into_iter()
        .flat_map(|(low, high)| images.range((low, ImageId::FIRST)..=(high, ImageId::LAST)))
        .map(|(_, id)| *id)
}

fn begins(digest: &Digest, digits: &str) -> bool {
    digest.text()["sha256:".len()..].starts_with(digits.as_bytes())
}
