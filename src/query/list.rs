//! Lists of classes, groups and ancestors.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Query;
use super::answer::{
    API_VERSION, ClassItem, ClassStatus, Condition, GroupItem, GroupSpec, GroupStatus, ImageItem, Metadata,
    PolicyItem, PolicyStatus, VersionImage, VersionItem,
};
use super::filter::{Compiled, Filter};
use super::items::image_item;
use super::page::{Cut, More, Page, Position, Sort, foreign};
use super::reference::{RefError, Resolved};
use super::workloads::RunningCount;
use crate::class::{Class, Count};
use crate::declare::{ClassFields, ConditionStatus, Declared, class_status, group_classes};
use crate::index::{ImageId, NodeId};
use crate::oci::Digest;
use crate::policy;
use crate::record::{GroupRecord, Membership, PolicyRecord, VersionRecord};
use crate::shard::Shard;

/// The members of a class.
#[derive(Debug, Default)]
struct Counts {
    all: Count,
    /// The members by the image that each is built on.
    of_bases: HashMap<Digest, u64>,
}

impl Counts {
    fn add(&mut self, member: &Membership, count: Count) {
        self.all += count;
        *self.of_bases.entry(member.version).or_default() += count.members;
    }
}

impl Query {
    /// Every class, or the named one.
    pub fn list_classes(&self, name: Option<&str>) -> Result<Vec<ClassItem>, RefError> {
        if let Some(name) = name {
            self.require_class(name)?;
        }
        // Every shard has the same catalog, apart from how far each has read it.
        let has = |shard: &&Shard| name.is_none_or(|name| shard.catalog().class(name).is_some());
        let Some(first) = self.shards().find(has) else { return Ok(Vec::new()) };
        let running = self.running_counts();
        let running = |class: &Class| {
            running.as_ref().map(|of| of.get(&class.record.name).copied().unwrap_or_default())
        };
        let mut counts = self.counts();
        let mut count = |class: &Class| counts.remove(&class.record.name).unwrap_or_default();
        let classes =
            first.catalog().classes().filter(|class| name.is_none_or(|name| class.record.name == name));
        Ok(classes.map(|class| self.class_item(class, count(class), running(class))).collect())
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

    /// Every policy, or the named one.
    pub fn list_policies(&self, name: Option<&str>) -> Result<Vec<PolicyItem>, RefError> {
        if let Some(name) = name {
            self.require_policy(name)?;
        }
        let has = |shard: &&Shard| name.is_none_or(|name| shard.catalog().policy(name).is_some());
        let Some(first) = self.shards().find(has) else { return Ok(Vec::new()) };
        let item = |record: &Arc<PolicyRecord>| {
            let status = policy::status(&record.spec, first.catalog());
            let ready = Condition {
                kind: "Ready".to_owned(),
                status: ConditionStatus::from(status.is_ready()).as_str().to_owned(),
                reason: status.reason.to_owned(),
                message: status.message,
            };
            PolicyItem {
                api_version: API_VERSION.to_owned(),
                kind: "ClassPolicy".to_owned(),
                metadata: Metadata { name: record.name.clone(), ..Metadata::default() },
                spec: record.spec.clone(),
                status: PolicyStatus { classes: status.classes, conditions: vec![ready] },
            }
        };
        let policies = first.catalog().policies();
        Ok(policies.filter(|policy| name.is_none_or(|name| policy.name == name)).map(item).collect())
    }

    /// The images that the images of a REF are based on, nearest first: those with the most layers, and then by digest.
    /// For a chain ID: the images whose last chain is that chain or one of its prefixes.
    pub fn ancestors(
        &self,
        reference: &str,
        filter: &Filter,
        page: &Page,
    ) -> Result<Cut<ImageItem>, RefError> {
        let compiled = self.check(filter)?;
        if page.sort != Sort::Name {
            let problem = "sort: ancestors stand by the number of their layers, in no other order";
            return Err(RefError::Invalid(problem.to_owned()));
        }
        let mut found: Vec<(Reverse<u32>, Digest, u16, ImageId)> = Vec::new();
        let mut add = |shard: &Shard, nodes: &mut dyn Iterator<Item = NodeId>| {
            for id in nodes.flat_map(|node| shard.index().images_at(node)) {
                if compiled.holds(shard, id) {
                    let depth = shard.index().node(id).map_or(0, |node| shard.index().depth(node));
                    found.push((Reverse(depth), *shard.index().digest(id), shard.partition(), id));
                }
            }
        };
        let resolved = self.anchored(reference, page)?;
        let anchor = Some(resolved.anchor());
        match resolved {
            Resolved::Images(images) => {
                for (shard, node) in images.iter().filter_map(|image| self.node_of(image)) {
                    add(shard, &mut shard.index().ancestors(node));
                }
            }
            Resolved::Chain { partition, node, depth } => {
                if let Some(shard) = self.shard(partition) {
                    let ends_here = Some(node).filter(|node| shard.index().depth(*node) == depth);
                    add(shard, &mut ends_here.into_iter().chain(shard.index().ancestors(node)));
                }
            }
        }
        // Two platforms of a tag may share a base.
        found.sort_unstable();
        found.dedup();
        match &page.after {
            None => {}
            Some(Position::DepthAndDigest(depth, digest)) => {
                found.retain(|of| (of.0, of.1) > (Reverse(*depth), *digest));
            }
            Some(_) => return Err(RefError::Invalid(foreign())),
        }
        let cut = page.cut_rest(found, |of| Position::DepthAndDigest(of.0.0, of.1));
        let item = |(_, _, partition, id): (_, _, u16, ImageId)| {
            let shard = self.shard(usize::from(partition))?;
            Some(image_item(shard, &shard.view(id)))
        };
        let more = More { anchor, ..cut.more };
        Ok(Cut { items: cut.items.into_iter().filter_map(item).collect(), more })
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

    fn class_item(
        &self,
        class: &Class,
        Counts { all, mut of_bases }: Counts,
        running: Option<RunningCount>,
    ) -> ClassItem {
        let status = class_status(Declared::Known(class), all);
        let mut item = |version: &VersionRecord, until| VersionItem {
            digest: version.digest,
            origin: version.origin,
            tag: version.tag.clone(),
            since: version.since,
            built: version.built,
            until,
            // Versions may share an image of a platform: the newest counts.
            members: version.images.iter().filter_map(|image| of_bases.remove(&image.digest)).sum(),
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
                running: running.map(|count| count.all),
                running_outdated: running.map(|count| count.outdated),
                conditions: status.conditions().map(Condition::from).to_vec(),
            },
        }
    }

    /// The members of every class that has any.
    fn counts(&self) -> BTreeMap<String, Counts> {
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        for shard in self.shards() {
            shard.count_members(|member, count| {
                counts.entry(member.name.clone()).or_default().add(member, count);
            });
        }
        counts
    }
}
