//! Provides the index data that a rebuild plan needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Query;
use super::reference::RefError;
use crate::class::Classification;
use crate::oci::{Digest, Reference};
use crate::plan::{ImageNow, Images, OutdatedTag, Plan, Standing, TagNow};
use crate::record::rebuild::{Basis, RebuildRequest};
use crate::record::{BuildConfigRecord, ClassRecord, State, TagImage};
use crate::shard::{ImageView, Shard, Tag};

impl Query {
    /// The plan for a request, from the present index. `build_configs` must contain all BuildConfigs.
    pub fn plan(
        &self,
        request: RebuildRequest,
        build_configs: &[BuildConfigRecord],
    ) -> Result<Plan, RefError> {
        let none = || self.no_class(&request.class);
        let catalogs = self.shards().map(Shard::catalog);
        // Each partition reads the catalog by itself; the newest record is the best.
        let classes = catalogs.filter_map(|catalog| catalog.class(&request.class));
        let class = classes.max_by_key(|class| class.record.sequence).ok_or_else(none)?;
        if let Some(group) = &request.group {
            self.require_group(group)?;
        }
        request.limits.check().map_err(RefError::Invalid)?;
        let current = class.current();
        let basis = Basis {
            generation: class.record.generation,
            revision: class.record.revision,
            current: current.map(|version| version.digest),
            since: current.and_then(|version| version.since),
        };
        let asked = Asked { query: self, request: request.clone() };
        Ok(Plan::make(request, basis, build_configs, &asked))
    }

    /// The record of a class, the newest that any partition has read.
    pub fn class_record(&self, name: &str) -> Option<Arc<ClassRecord>> {
        let classes = self.shards().filter_map(|shard| shard.catalog().class(name));
        classes.max_by_key(|class| class.record.sequence).map(|class| Arc::clone(&class.record))
    }

    /// The standing in the class of each image that the tag points at. Returns `None` if the tag does not exist, or one
    /// of the images is not known yet.
    pub fn tag_standing(&self, name: &str, class: &str) -> Option<Vec<Standing>> {
        images_of(self.tag(name)?).iter().map(|image| self.standing(&image.digest, class)).collect()
    }

    /// Returns `true` if the class of this generation is gone: no class has the name, or a later one has.
    pub fn has_left(&self, name: &str, generation: u64) -> bool {
        self.class_record(name).is_none_or(|class| class.generation > generation)
    }

    /// Returns `true` if the tag exists.
    pub fn has_tag(&self, name: &str) -> bool {
        self.tag(name).is_some()
    }

    /// The standing of an image in the class. Returns `None` if the image is not known yet.
    pub fn standing(&self, digest: &Digest, class: &str) -> Option<Standing> {
        let image = self.holding(digest)?.image(digest)?;
        let member = image.classification.and_then(|of| of.of_class(class));
        Some(member.map(|member| (member.state, member.version)))
    }

    fn tag(&self, name: &str) -> Option<&Tag> {
        let tags = self.shards().filter_map(|shard| shard.tag(name));
        tags.max_by_key(|tag| tag.sequence).map(AsRef::as_ref)
    }
}

/// The view of the index for one request.
struct Asked<'a> {
    query: &'a Query,
    request: RebuildRequest,
}

impl Asked<'_> {
    fn now(&self, image: &ImageView<'_>) -> ImageNow {
        let member = image.classification.and_then(|of| of.of_class(&self.request.class));
        ImageNow {
            standing: member.map(|member| (member.state, member.version)),
            in_group: self.is_in_group(image),
        }
    }

    fn is_in_group(&self, image: &ImageView<'_>) -> bool {
        let Some(asked) = &self.request.group else { return true };
        let (group, class) = match asked.split_once('=') {
            Some((group, class)) => (group, Some(class)),
            None => (asked.as_str(), None),
        };
        let classes = image.classification.and_then(|of: &Arc<Classification>| of.groups.get(group));
        classes.is_some_and(|classes| class.is_none_or(|class| classes.iter().any(|name| name == class)))
    }
}

impl Images for Asked<'_> {
    fn tag(&self, name: &str) -> Option<TagNow> {
        // A pull spec may write a name of Docker Hub in another way than its source.
        let tag = Reference::spellings(name).iter().find_map(|name| self.query.tag(name))?;
        let images = images_of(tag).into_iter().filter_map(|image| self.image(&image.digest)).collect();
        Some(TagNow { since: tag.since, images })
    }

    fn followed(&self, name: &str) -> Option<String> {
        self.query.tag(name)?.stream.follows.clone()
    }

    fn registries(&self) -> BTreeSet<String> {
        let tags = self.query.shards().flat_map(Shard::tags);
        tags.flat_map(|tag| &tag.stream.registries).cloned().collect()
    }

    fn image(&self, digest: &Digest) -> Option<ImageNow> {
        let shard = self.query.holding(digest)?;
        Some(self.now(&shard.image(digest)?))
    }

    fn outdated_tags(&self) -> Vec<OutdatedTag> {
        let mut tags = Vec::new();
        for shard in self.query.shards() {
            let outdated = shard.kinds().filter_map(|(kind, _)| {
                let member = shard.of(kind).0?.of_class(&self.request.class)?;
                (member.state == State::Outdated).then_some((kind, member))
            });
            let images =
                outdated.flat_map(|(kind, member)| shard.of_kind(kind, None).map(move |id| (id, member)));
            for (image, member) in images.map(|(id, member)| (shard.view(id), member)) {
                // An earlier version itself, or an equivalent image, is a base for others.
                if member.depth >= image.layers {
                    continue;
                }
                let bases: Vec<Digest> = match (self.request.notify, image.node) {
                    (true, Some(node)) => {
                        let above = shard.index().ancestors(node);
                        let images = above.flat_map(|node| shard.index().images_at(node));
                        images.map(|id| *shard.index().digest(id)).collect()
                    }
                    // No caller depends on their order.
                    _ => Vec::new(),
                };
                tags.extend(shard.tags_of(&image.digest).map(|tag| OutdatedTag {
                    name: tag.name.clone(),
                    image: image.digest,
                    version: member.version,
                    layers: image.layers,
                    bases: bases.clone(),
                    in_group: self.is_in_group(&image),
                }));
            }
        }
        tags
    }
}

/// The images that a tag resolves to.
fn images_of(tag: &Tag) -> Vec<TagImage> {
    if tag.images.is_empty() {
        vec![TagImage { digest: tag.digest, platform: None }]
    } else {
        tag.images.clone()
    }
}
