//! Pages of tags, by name. Each item is made when it is written.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use itertools::Itertools as _;

use super::candidates::Candidates;
use super::order::{Position, Sort};
use super::{More, Page, foreign};
use crate::query::Query;
use crate::query::answer::TagItem;
use crate::query::filter::{Compiled, Filter};
use crate::query::items::image_of_tag;
use crate::query::reference::RefError;
use crate::shard::Tag;

/// Tags of an index, in order.
pub struct Tags {
    query: Query,
    filter: Filter,
    pub(super) order: Vec<Arc<Tag>>,
    pub(super) more: More,
}

impl Query {
    /// The tags that reference an image that matches the filter, each with those images. The conditions on repositories
    /// are about the tag's own.
    pub fn list_tags(self, filter: &Filter, page: &Page) -> Result<Tags, RefError> {
        let compiled = self.check(filter)?;
        if page.sort != Sort::Name {
            return Err(RefError::Invalid("sort: tags stand by name, in no other order".to_owned()));
        }
        let after = match &page.after {
            None => None,
            Some(Position::Name(name)) => Some(name.as_str()),
            Some(_) => return Err(RefError::Invalid(foreign())),
        };
        // The conditions on the images of a tag, if there are any.
        let of_images = compiled.is_about_images().then(|| compiled.without_names());
        let few = of_images.as_ref().and_then(|of_images| self.few_tags(&compiled, of_images, page, after));
        let (order, more) = few.unwrap_or_else(|| self.many_tags(&compiled, of_images.as_ref(), page, after));
        Ok(Tags { order, more, filter: filter.clone(), query: self })
    }

    /// The tags of the images that match; `None` if more than a few may match, or they have many tags.
    fn few_tags(
        &self,
        filter: &Compiled<'_>,
        of_images: &Compiled<'_>,
        page: &Page,
        after: Option<&str>,
    ) -> Option<(Vec<Arc<Tag>>, More)> {
        let candidates: Vec<Candidates<'_>> =
            self.shards().map(|shard| Candidates::new(shard, of_images, page, None)).collect();
        if page.limit.is_none() || candidates.iter().map(Candidates::bound).sum::<usize>() > page.effort.few {
            return None;
        }
        let mut newest: BTreeMap<&str, &Arc<Tag>> = BTreeMap::new();
        for (shard, candidates) in self.shards().zip(&candidates) {
            let tags = candidates.all().flat_map(|place| shard.tags_of(place.digest));
            for (examined, tag) in tags.enumerate() {
                if examined > page.effort.few.saturating_mul(2) {
                    return None;
                }
                if after.is_some_and(|after| *tag.name <= *after) || !filter.holds_repository(&tag.repository)
                {
                    continue;
                }
                let known = newest.entry(&tag.name).or_insert(tag);
                if tag.sequence > known.sequence {
                    *known = tag;
                }
            }
        }
        // A tag has moved on in one partition before another has heard of it.
        let rest: Vec<Arc<Tag>> = newest
            .into_values()
            .map(|tag| self.newest_of(tag))
            .filter(|tag| self.matches(tag, Some(of_images)))
            .map(Arc::clone)
            .collect();
        let cut = page.cut_rest(rest, |tag| Position::Name(tag.name.clone()));
        Some((cut.items, cut.more))
    }

    fn many_tags(
        &self,
        filter: &Compiled<'_>,
        of_images: Option<&Compiled<'_>>,
        page: &Page,
        after: Option<&str>,
    ) -> (Vec<Arc<Tag>>, More) {
        let beginning = filter.beginning();
        let from = match after {
            Some(after) if after >= beginning => Bound::Excluded(after),
            _ => Bound::Included(beginning),
        };
        let walks = self
            .shards()
            .map(|shard| shard.tags_from(from).take_while(|tag| tag.name.starts_with(beginning)));
        let by_name = |a: &&Arc<Tag>, b: &&Arc<Tag>| a.name < b.name;
        let newest = walks.kmerge_by(by_name).coalesce(|a, b| {
            if a.name != b.name {
                Err((a, b))
            } else if a.sequence >= b.sequence {
                Ok(a)
            } else {
                Ok(b)
            }
        });
        let (mut order, mut more, mut last) = (Vec::new(), More::default(), None);
        for (examined, tag) in newest.enumerate() {
            let matches = filter.holds_repository(&tag.repository) && self.matches(tag, of_images);
            if matches && order.len() == page.most() || examined == page.most_examined() {
                more.next = last.map(|tag: &Arc<Tag>| Position::Name(tag.name.clone()));
                break;
            }
            if matches {
                order.push(Arc::clone(tag));
            }
            last = Some(tag);
        }
        (order, more)
    }

    fn newest_of<'a>(&'a self, tag: &'a Arc<Tag>) -> &'a Arc<Tag> {
        self.shards().filter_map(|shard| shard.tag(&tag.name)).max_by_key(|of| of.sequence).unwrap_or(tag)
    }

    /// Returns `true` if any image of the tag matches, or there is no condition on images.
    fn matches(&self, tag: &Tag, of_images: Option<&Compiled<'_>>) -> bool {
        let Some(filter) = of_images else { return true };
        tag.targets().any(|target| {
            self.holding(&target).is_some_and(|shard| {
                shard.index().image(&target).is_some_and(|image| filter.holds(shard, image))
            })
        })
    }

    fn tag_item(&self, tag: &Tag, filter: &Compiled<'_>) -> TagItem {
        let mut item = TagItem {
            name: tag.name.clone(),
            digest: tag.digest,
            since: tag.since,
            images: Vec::new(),
            unknown: Vec::new(),
        };
        for target in tag.targets() {
            match self.holding(&target).and_then(|shard| Some((shard, shard.image(&target)?))) {
                Some((shard, image)) if filter.holds(shard, image.id) => {
                    item.images.push(image_of_tag(shard, &image));
                }
                Some(_) => {}
                None => item.unknown.push(target),
            }
        }
        item
    }
}

impl Tags {
    /// The tags.
    pub fn iter(&self) -> impl Iterator<Item = TagItem> {
        // It was compiled before.
        let filter = self.filter.compile().ok().map(|filter| filter.without_names());
        self.order.iter().filter_map(move |tag| Some(self.query.tag_item(tag, filter.as_ref()?)))
    }
}
