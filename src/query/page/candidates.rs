//! The images of one shard that a list may have.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use super::order::{Key, Place, Position, Sort};
use super::{Page, foreign};
use crate::index::{ImageId, NodeId};
use crate::oci::{Digest, Timestamp};
use crate::query::filter::Compiled;
use crate::shard::{Kind, Shard};

/// The part of a shard's tree that a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Below {
    pub(crate) node: NodeId,
    /// The images at the node itself are meant as well.
    pub(crate) includes_node: bool,
    /// Only images between which and the node no other image of the list ends.
    pub(crate) direct: bool,
}

/// A way to images.
#[derive(Clone, Copy)]
enum Way<'a> {
    Tree(&'a [Below]),
    Kinds,
    Repositories,
    All,
}

/// The images of a shard that a list may have.
pub(super) struct Candidates<'a> {
    shard: &'a Shard,
    filter: &'a Compiled<'a>,
    sort: Sort,
    /// More images than these need not be counted.
    few: usize,
    /// The parts of the tree; `None` for all of it.
    below: Option<&'a [Below]>,
    /// The kinds whose images may match, with the time since which they are outdated; `None` if all may.
    kinds: OnceCell<HashMap<Kind, (usize, Option<Timestamp>)>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        shard: &'a Shard,
        filter: &'a Compiled<'a>,
        page: &Page,
        below: Option<&'a [Below]>,
    ) -> Self {
        let (sort, few) = (page.sort, page.effort.few);
        Self { shard, filter, sort, few, below, kinds: OnceCell::new() }
    }

    /// The kinds of images decide whether they match.
    fn selects_kinds(&self) -> bool {
        self.sort == Sort::Outdated || self.filter.selects_kinds()
    }

    fn kinds(&self) -> &HashMap<Kind, (usize, Option<Timestamp>)> {
        self.kinds.get_or_init(|| {
            let kinds = self.shard.kinds().filter(|(kind, _)| self.filter.holds_kind(self.shard, *kind));
            if self.sort == Sort::Outdated {
                let since = |kind| self.filter.outdated_since(self.shard, kind);
                kinds.filter_map(|(kind, images)| Some((kind, (images, Some(since(kind)?))))).collect()
            } else {
                kinds.map(|(kind, images)| (kind, (images, None))).collect()
            }
        })
    }

    /// The number of images that match, if it is known without a look at them.
    pub(super) fn count(&self) -> Option<usize> {
        match self.below {
            None if !self.filter.is_of_kinds() => None,
            None if self.selects_kinds() => Some(self.of_kinds()),
            None => Some(self.shard.index().len()),
            Some(_) => None,
        }
    }

    fn of_kinds(&self) -> usize {
        self.kinds().values().map(|(images, _)| images).sum()
    }

    fn of_repositories(&self) -> usize {
        let mut images = 0;
        for (_, here) in self.repositories("") {
            images += here;
            if images > self.few {
                break;
            }
        }
        images
    }

    fn of_tree(&self, below: &[Below]) -> usize {
        below.iter().map(|of| self.shard.index().count(of.node) as usize).sum()
    }

    /// The way to the images that may match on which the fewest others lie, and how many lie on it.
    fn shortest(&self) -> (usize, Way<'a>) {
        let of_tree = self.below.map(|below| (self.of_tree(below), Way::Tree(below)));
        let of_kinds = self.selects_kinds().then(|| (self.of_kinds(), Way::Kinds));
        let of_repositories =
            self.filter.names_repositories().then(|| (self.of_repositories(), Way::Repositories));
        let ways = [of_tree, of_kinds, of_repositories].into_iter().flatten();
        ways.min_by_key(|(images, _)| *images).unwrap_or((self.shard.index().len(), Way::All))
    }

    /// The number of images that may match, at most.
    pub(super) fn bound(&self) -> usize {
        self.shortest().0
    }

    /// Every image that matches, in no order. Each may come more than once.
    pub(super) fn all(&self) -> impl Iterator<Item = Place<'a>> + '_ {
        let ids: Box<dyn Iterator<Item = ImageId>> = match self.shortest().1 {
            Way::Tree(below) => {
                Box::new(below.iter().flat_map(|of| self.shard.index().subtree_images(of.node)))
            }
            Way::Kinds => Box::new(self.kinds().keys().flat_map(|kind| self.shard.of_kind(*kind, None))),
            Way::Repositories => {
                let names = self.repositories("").map(|(name, _)| name);
                Box::new(names.flat_map(|name| self.shard.of_repository(name, None)))
            }
            Way::All => Box::new(self.shard.index().images()),
        };
        ids.filter(|id| self.holds(*id)).map(|id| self.place(self.key(id), id, true))
    }

    /// The images after a position, in order; also those that do not match, since they too are a position.
    pub(super) fn walk(
        &'a self,
        after: Option<&'a Position>,
    ) -> Result<Box<dyn Iterator<Item = Place<'a>> + 'a>, String> {
        Ok(match (self.sort, after) {
            (Sort::Name, None) => Box::new(self.by_name("", None)),
            (Sort::Name, Some(Position::NameAndDigest(name, digest))) => {
                Box::new(self.by_name(name, Some(digest)))
            }
            (Sort::Created, None) => Box::new(self.by_time(self.shard.oldest(None))),
            (Sort::Created, Some(Position::TimeAndDigest(time, digest))) => {
                Box::new(self.by_time(self.shard.oldest(Some((*time, digest)))))
            }
            (Sort::Newest, None) => Box::new(self.by_time(self.shard.newest(None))),
            (Sort::Newest, Some(Position::TimeAndDigest(time, digest))) => {
                Box::new(self.by_time(self.shard.newest(Some((*time, digest)))))
            }
            (Sort::Outdated, None) => Box::new(self.by_outdated(None)),
            (Sort::Outdated, Some(Position::TimeAndDigest(Some(time), digest))) => {
                Box::new(self.by_outdated(Some((*time, digest))))
            }
            _ => return Err(foreign()),
        })
    }

    fn by_name(&'a self, from: &'a str, after: Option<&'a Digest>) -> impl Iterator<Item = Place<'a>> + 'a {
        self.repositories(from).flat_map(move |(name, _)| {
            let after = after.filter(|_| name == from);
            let images = self.shard.of_repository(name, after);
            images.map(move |id| {
                let key = Key::Name(name);
                self.place(key, id, self.key(id) == key && self.holds(id))
            })
        })
    }

    fn by_time(&'a self, images: impl Iterator<Item = ImageId> + 'a) -> impl Iterator<Item = Place<'a>> + 'a {
        images.map(|id| self.place(self.key(id), id, self.holds(id)))
    }

    fn by_outdated(&'a self, after: Option<(Timestamp, &'a Digest)>) -> impl Iterator<Item = Place<'a>> + 'a {
        let mut kinds: BTreeMap<Timestamp, Vec<Kind>> = BTreeMap::new();
        for (kind, (_, since)) in self.kinds() {
            if let Some(since) = since.filter(|since| after.is_none_or(|(after, _)| *since >= after)) {
                kinds.entry(since).or_default().push(*kind);
            }
        }
        kinds.into_iter().flat_map(move |(since, kinds)| {
            let after = after.filter(|(time, _)| *time == since).map(|(_, digest)| digest);
            let images = kinds.into_iter().map(move |kind| self.shard.of_kind(kind, after));
            let by_digest = |a: &ImageId, b: &ImageId| self.digest(*a) < self.digest(*b);
            let images = images.kmerge_by(by_digest);
            images.map(move |id| self.place(Key::Time(Some(since)), id, self.holds(id)))
        })
    }

    /// The repositories from a name on whose images may match.
    fn repositories<'b>(&'b self, from: &'b str) -> impl Iterator<Item = (&'b str, usize)> + 'b
    where
        'a: 'b,
    {
        let beginning = self.filter.beginning();
        let repositories = self.shard.repositories(from.max(beginning));
        repositories
            .take_while(move |(name, _)| name.starts_with(beginning))
            .filter(|(name, _)| self.filter.holds_repository(name))
    }

    fn key(&self, id: ImageId) -> Key<'a> {
        match self.sort {
            Sort::Name => {
                let mut names = self.shard.repositories_of(id).iter().map(String::as_str);
                let matches =
                    |name: &&str| !self.filter.names_repositories() || self.filter.holds_repository(name);
                Key::Name(names.find(matches).unwrap_or(""))
            }
            Sort::Created | Sort::Newest => Key::Time(self.shard.created(id)),
            Sort::Outdated => Key::Time(self.kinds().get(&self.shard.kind(id)).and_then(|(_, since)| *since)),
        }
    }

    fn place(&self, key: Key<'a>, id: ImageId, matches: bool) -> Place<'a> {
        Place { key, digest: self.digest(id), partition: self.shard.partition(), id, matches }
    }

    fn digest(&self, id: ImageId) -> &'a Digest {
        self.shard.index().digest(id)
    }

    fn holds(&self, id: ImageId) -> bool {
        (!self.selects_kinds() || self.kinds().contains_key(&self.shard.kind(id)))
            && self.filter.holds_rest(self.shard, id)
            && self.below.is_none_or(|below| below.iter().any(|of| self.is_below(id, *of)))
    }

    fn is_below(&self, id: ImageId, of: Below) -> bool {
        let index = self.shard.index();
        let Some(node) = index.node(id) else { return false };
        if node == of.node {
            return of.includes_node;
        }
        let depth = index.depth(of.node);
        let ends_here = |node| of.direct && index.images_at(node).next().is_some();
        for above in index.ancestors(node).take_while(|above| index.depth(*above) >= depth) {
            if above == of.node {
                return !of.includes_node || !ends_here(above);
            }
            if ends_here(above) {
                return false;
            }
        }
        false
    }
}
