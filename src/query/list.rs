//! Lists of images, tags, classes and groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Query;
use super::answer::{
    API_VERSION, ClassItem, ClassStatus, Condition, GroupItem, GroupSpec, GroupStatus, ImageItem, Metadata,
    TagItem, VersionImage, VersionItem,
};
use super::filter::{Compiled, Filter};
use super::items::{image_item, image_of_tag};
use super::reference::{RefError, Resolved};
use crate::class::{Class, Count};
use crate::declare::{ClassFields, Declared, class_status, group_classes};
use crate::oci::Digest;
use crate::record::{GroupRecord, TagImage, VersionRecord};
use crate::shard::{Shard, Tag};

impl Query {
    /// The tags that reference an image that matches the filter, by name, each with those images.
    /// Stops after `limit` of them.
    pub fn list_tags(&self, filter: &Filter, limit: usize) -> Result<Vec<TagItem>, RefError> {
        let compiled = self.check(filter)?;
        let mut newest: BTreeMap<&str, &Arc<Tag>> = BTreeMap::new();
        for tag in self.shards().flat_map(Shard::tags) {
            let known = newest.entry(&tag.name).or_insert(tag);
            if tag.sequence > known.sequence {
                *known = tag;
            }
        }
        let items = newest.into_values().map(|tag| self.tag_item(tag, &compiled));
        Ok(items.filter(|item| filter.is_empty() || !item.images.is_empty()).take(limit).collect())
    }

    fn tag_item(&self, tag: &Tag, filter: &Compiled<'_>) -> TagItem {
        let mut item = TagItem {
            name: tag.name.clone(),
            digest: tag.digest,
            since: tag.since,
            images: Vec::new(),
            unknown: Vec::new(),
        };
        let alone = [TagImage { digest: tag.digest, platform: None }];
        for TagImage { digest, .. } in if tag.images.is_empty() { &alone[..] } else { &tag.images[..] } {
            match self.holding(digest).and_then(|shard| Some((shard, shard.image(digest)?))) {
                Some((shard, image)) if filter.holds(&image) => item.images.push(image_of_tag(shard, &image)),
                Some(_) => {}
                None => item.unknown.push(*digest),
            }
        }
        item
    }

    /// Every class, or the named one.
    pub fn list_classes(&self, name: Option<&str>) -> Result<Vec<ClassItem>, RefError> {
        if let Some(name) = name {
            self.require_class(name)?;
        }
        // Every shard has the same catalog, apart from how far each has read it.
        let has = |shard: &&Shard| name.is_none_or(|name| shard.catalog().class(name).is_some());
        let Some(first) = self.shards().find(has) else { return Ok(Vec::new()) };
        let counts = self.counts();
        let count = |class: &Class| counts.get(&class.record.name).copied().unwrap_or_default();
        let classes =
            first.catalog().classes().filter(|class| name.is_none_or(|name| class.record.name == name));
        Ok(classes.map(|class| self.class_item(class, count(class))).collect())
    }

    /// Every group, or the named one.
    pub fn list_groups(&self, name: Option<&str>) -> Result<Vec<GroupItem>, RefError> {
        if let Some(name) = name {
            self.require_group(name)?;
        }
        let has = |shard: &&Shard| name.is_none_or(|name| shard.catalog().group(name).is_some());
        let Some(first) = self.shards().find(has) else { return Ok(Vec::new()) };
        let item = |group: &Arc<GroupRecord>| GroupItem {
            api_version: API_VERSION.to_owned(),
            kind: "ImageClassGroup".to_owned(),
            metadata: Metadata { name: group.name.clone(), ..Metadata::default() },
            spec: GroupSpec { selector: group.selector.clone() },
            status: GroupStatus { classes: group_classes(first.catalog(), group) },
        };
        let groups = first.catalog().groups();
        Ok(groups.filter(|group| name.is_none_or(|name| group.name == name)).map(item).collect())
    }

    /// The images that the images of a REF are based on, nearest first. For a chain ID: the images whose last chain is
    /// that chain or one of its prefixes.
    pub fn ancestors(&self, reference: &str, filter: &Filter) -> Result<Vec<ImageItem>, RefError> {
        let compiled = self.check(filter)?;
        let mut items: Vec<ImageItem> = Vec::new();
        let mut add = |shard: &Shard, nodes: &mut dyn Iterator<Item = crate::index::NodeId>| {
            for node in nodes {
                let mut here: Vec<_> = shard.index().images_at(node).map(|id| shard.view(id)).collect();
                here.sort_unstable_by_key(|image| image.digest);
                for image in here.iter().filter(|image| compiled.holds(image)) {
                    if !items.iter().any(|item| item.digest == image.digest) {
                        items.push(image_item(shard, image));
                    }
                }
            }
        };
        match self.resolve(reference)? {
            Resolved::Images(images) => {
                for (shard, node) in images.iter().filter_map(|image| self.node_of(image)) {
                    add(shard, &mut shard.index().ancestors(node));
                }
            }
            Resolved::Chain { partition, node, depth } => {
                let Some(shard) = self.shard(partition) else { return Ok(items) };
                let ends_here = Some(node).filter(|node| shard.index().depth(*node) == depth);
                add(shard, &mut ends_here.into_iter().chain(shard.index().ancestors(node)));
            }
        }
        Ok(items)
    }

    /// Calls `visit` with each image that is based on the images of a REF, or that contains the chain of a chain ID,
    /// until it returns `false`.
    pub fn descendants(
        &self,
        reference: &str,
        filter: &Filter,
        mut visit: impl FnMut(ImageItem) -> bool,
    ) -> Result<(), RefError> {
        let compiled = self.check(filter)?;
        let mut below = |shard: &Shard, node, includes_node: bool| {
            let images = shard
                .index()
                .subtree_images(node)
                .filter(|id| includes_node || shard.index().node(*id) != Some(node));
            for image in images.map(|id| shard.view(id)).filter(|image| compiled.holds(image)) {
                if !visit(image_item(shard, &image)) {
                    return false;
                }
            }
            true
        };
        match self.resolve(reference)? {
            Resolved::Images(images) => {
                // Two platforms of a tag may share a node, or one may lie below the other.
                let nodes: Vec<_> = images.iter().filter_map(|image| self.node_of(image)).collect();
                let mut done: Vec<(u16, crate::index::NodeId)> = Vec::new();
                for (shard, node) in nodes {
                    let known = |node| done.contains(&(shard.partition(), node));
                    if known(node) || shard.index().ancestors(node).any(known) {
                        continue;
                    }
                    done.push((shard.partition(), node));
                    if !below(shard, node, false) {
                        return Ok(());
                    }
                }
            }
            Resolved::Chain { partition, node, .. } => {
                if let Some(shard) = self.shard(partition) {
                    below(shard, node, true);
                }
            }
        }
        Ok(())
    }

    fn node_of(&self, image: &Digest) -> Option<(&Shard, crate::index::NodeId)> {
        let shard = self.holding(image)?;
        Some((shard, shard.image(image)?.node?))
    }

    pub(super) fn check<'a>(&self, filter: &'a Filter) -> Result<Compiled<'a>, RefError> {
        if let Some(class) = &filter.class {
            self.require_class(class)?;
        }
        if let Some(group) = &filter.group {
            self.require_group(group)?;
        }
        filter.compile().map_err(RefError::Invalid)
    }

    fn class_item(&self, class: &Class, count: Count) -> ClassItem {
        let status = class_status(Declared::Known(class), count);
        let item = |version: &VersionRecord, until| VersionItem {
            digest: version.digest,
            origin: version.origin,
            tag: version.tag.clone(),
            since: version.since,
            built: version.built,
            until,
            images: version
                .images
                .iter()
                .map(|image| VersionImage {
                    digest: image.digest,
                    platform: image.platform.clone(),
                    chain_id: *image.chain_id.digest(),
                    layers: u32::try_from(image.layers.len()).unwrap_or(u32::MAX),
                })
                .collect(),
        };
        ClassItem {
            api_version: API_VERSION.to_owned(),
            kind: "ImageClass".to_owned(),
            metadata: Metadata { name: class.record.name.clone(), labels: class.record.labels.clone() },
            spec: ClassFields {
                from: class.record.from.clone(),
                versions: class.record.version_sources.clone(),
                rebuild: class.record.rebuild.clone(),
            },
            status: ClassStatus {
                current: status.current.as_ref().map(|current| item(current, status.current_until)),
                history: status.history.iter().map(|(version, until)| item(version, *until)).collect(),
                members: status.count.members,
                outdated: status.count.outdated,
                conditions: status.conditions().map(Condition::from).to_vec(),
            },
        }
    }

    /// Members and outdated members of every class that has any.
    fn counts(&self) -> BTreeMap<String, Count> {
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        for shard in self.shards() {
            shard.count_members(|class, count| *counts.entry(class.to_owned()).or_default() += count);
        }
        counts
    }
}
