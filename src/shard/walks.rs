//! Reads the images of a shard in the orders of `orders.rs`, and builds an order that is not there yet.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::Shard;
use super::interner::Interned;
use super::orders::{Beginning, ByDigest, Kind, beginning, names};
use crate::index::ImageId;
use crate::oci::{Digest, Timestamp};

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

    /// The lists of repositories that images of a kind have, each with the number of those images.
    pub fn repositories_of_kind(&self, kind: Kind) -> impl Iterator<Item = (&[String], u64)> {
        let mut counts: HashMap<Interned, u64> = HashMap::new();
        for (_, id) in self.by_kind().get(&kind).into_iter().flatten() {
            *counts.entry(self.rows[id.index()].repositories).or_default() += 1;
        }
        let names = |of: Interned| self.repositories.get(of).map_or(&[][..], |names| names.as_slice());
        counts.into_iter().map(move |(of, images)| (names(of), images))
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
        compare: impl Fn(&Digest, &Digest) -> Ordering + 'a,
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
