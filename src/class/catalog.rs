//! Builds the catalog from its records, and reports the change of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::membership::Classification;
use crate::oci::Digest;
use crate::record::{
    CatalogKey, CatalogRecord, ClassRecord, GroupRecord, Membership, Origin, PolicyRecord, VersionRecord,
};

/// Every class with its versions, every group, and every policy.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    classes: BTreeMap<String, Class>,
    groups: BTreeMap<String, Arc<GroupRecord>>,
    policies: BTreeMap<String, Arc<PolicyRecord>>,
    /// Versions whose class record has not been seen: it follows in the same batch, or was deleted before them.
    unclaimed: BTreeMap<String, BTreeMap<u32, Arc<VersionRecord>>>,
}

/// One class with its versions.
#[derive(Debug, Clone)]
pub struct Class {
    /// The record of the class.
    pub record: Arc<ClassRecord>,
    versions: BTreeMap<u32, Arc<VersionRecord>>,
}

/// The change that a record makes. It names only the images that have to be examined again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CatalogChange {
    /// Classes whose members all have to be examined again: created, deleted, or selected by other groups than before.
    pub classes: BTreeSet<String>,
    /// Single versions whose members have to be examined again: new ones, and those that became or ceased to be
    /// current.
    pub versions: BTreeSet<(String, u32)>,
    /// Versions that are newly known.
    pub added: Vec<Arc<VersionRecord>>,
    /// Versions that are no longer known.
    pub removed: Vec<Arc<VersionRecord>>,
}

impl Class {
    /// The versions that count, by number.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Arc<VersionRecord>> {
        self.versions.range(..self.record.versions).map(|(_, version)| version)
    }

    /// The version with this number, if it counts.
    pub fn version(&self, number: u32) -> Option<&Arc<VersionRecord>> {
        self.versions.get(&number).filter(|_| number < self.record.versions)
    }

    /// The most trusted origin of the versions that have this image.
    pub fn origin_of(&self, image: &Digest) -> Origin {
        let has_it = |version: &&Arc<VersionRecord>| version.images.iter().any(|of| of.digest == *image);
        self.versions().filter(has_it).map(|version| version.origin).min().unwrap_or_default()
    }

    /// The current version.
    pub fn current(&self) -> Option<&Arc<VersionRecord>> {
        self.version(self.record.current?)
    }
}

impl Catalog {
    /// The class of this name.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    /// All classes by name.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.values()
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Arc<GroupRecord>> {
        self.groups.get(name)
    }

    /// All groups by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<GroupRecord>> {
        self.groups.values()
    }

    /// The policy of this name.
    pub fn policy(&self, name: &str) -> Option<&Arc<PolicyRecord>> {
        self.policies.get(name)
    }

    /// All policies by name.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<PolicyRecord>> {
        self.policies.values()
    }

    /// The classes that a group selects, by name.
    pub fn selected<'a>(&'a self, group: &'a GroupRecord) -> impl Iterator<Item = &'a Class> {
        self.classes.values().filter(|class| group.selector.selects(&class.record.labels))
    }

    /// Every record that still counts, in an order from which the catalog can be built again.
    pub fn records(&self) -> impl Iterator<Item = CatalogRecord> + '_ {
        let version = |version: &Arc<VersionRecord>| CatalogRecord::ImageClassVersion((**version).clone());
        let of_class = move |class: &Class| {
            let record = CatalogRecord::ImageClass((*class.record).clone());
            class.versions.values().map(version).chain([record]).collect::<Vec<_>>()
        };
        let groups = self.groups.values().map(|group| CatalogRecord::ImageClassGroup((**group).clone()));
        let unclaimed = self.unclaimed.values().flat_map(BTreeMap::values).map(version);
        let policies = self.policies.values().map(|policy| CatalogRecord::ClassPolicy((**policy).clone()));
        groups.chain(policies).chain(self.classes.values().flat_map(of_class)).chain(unclaimed)
    }

    /// Returns `true` if both were built from the same records.
    pub fn is_same(&self, other: &Self) -> bool {
        let class = |of: &Class| (of.record.sequence, of.record.name.clone());
        let group = |of: &Arc<GroupRecord>| (of.sequence, of.name.clone());
        let policy = |of: &Arc<PolicyRecord>| (of.sequence, of.name.clone());
        self.classes.values().map(class).eq(other.classes.values().map(class))
            && self.groups.values().map(group).eq(other.groups.values().map(group))
            && self.policies.values().map(policy).eq(other.policies.values().map(policy))
    }

    /// Adds the groups to these memberships of an image: for each group its classes, nearest first.
    pub fn classify(&self, classes: Vec<Membership>) -> Classification {
        let mut groups = BTreeMap::new();
        for group in self.groups.values() {
            let mut members: Vec<&Membership> = classes
                .iter()
                .filter(|member| {
                    self.class(&member.name).is_some_and(|class| group.selector.selects(&class.record.labels))
                })
                .collect();
            members.sort_by(|a, b| b.depth.cmp(&a.depth).then_with(|| a.name.cmp(&b.name)));
            if !members.is_empty() {
                groups.insert(
                    group.name.clone(),
                    members.into_iter().map(|member| member.name.clone()).collect(),
                );
            }
        }
        Classification { classes: classes.into(), groups: groups.into() }
    }

    /// Applies a record (`None` deletes the key) and returns the change.
    pub fn apply(&mut self, key: &CatalogKey, record: Option<CatalogRecord>) -> CatalogChange {
        match (key, record) {
            (CatalogKey::Class(_), Some(CatalogRecord::ImageClass(class))) => self.put_class(class),
            (CatalogKey::Version(..), Some(CatalogRecord::ImageClassVersion(version))) => {
                self.put_version(version)
            }
            (CatalogKey::Group(name), Some(CatalogRecord::ImageClassGroup(group))) => {
                self.put_group(name, Some(group))
            }
            // No image's classification depends on a policy.
            (CatalogKey::Policy(name), Some(CatalogRecord::ClassPolicy(policy))) => {
                self.policies.insert(name.clone(), Arc::new(policy));
                CatalogChange::default()
            }
            (CatalogKey::Policy(name), None) => {
                self.policies.remove(name);
                CatalogChange::default()
            }
            (CatalogKey::Class(name), None) => self.delete_class(name),
            (CatalogKey::Version(class, number), None) => self.delete_version(class, *number),
            (CatalogKey::Group(name), None) => self.put_group(name, None),
            // The record does not match the kind of its key. The decoder accepts none such.
            _ => CatalogChange::default(),
        }
    }

    fn put_class(&mut self, record: ClassRecord) -> CatalogChange {
        let mut change = CatalogChange::default();
        let name = record.name.clone();
        let record = Arc::new(record);
        let Some(class) = self.classes.get_mut(&name) else {
            let versions = self.unclaimed.remove(&name).unwrap_or_default();
            change.classes.insert(name.clone());
            self.classes.insert(name, Class { record, versions });
            return change;
        };
        let before = std::mem::replace(&mut class.record, Arc::clone(&record));
        if before.generation != record.generation || before.labels != record.labels {
            change.classes.insert(name);
            return change;
        }
        change.versions.extend((before.versions..record.versions).map(|number| (name.clone(), number)));
        if before.current != record.current {
            change.versions.extend(
                before.current.into_iter().chain(record.current).map(|number| (name.clone(), number)),
            );
        }
        change
    }

    fn put_version(&mut self, record: VersionRecord) -> CatalogChange {
        let record = Arc::new(record);
        let class = self.classes.get_mut(&record.class);
        let counts = class.as_ref().is_some_and(|class| record.number < class.record.versions);
        let versions = match class {
            Some(class) => &mut class.versions,
            None => self.unclaimed.entry(record.class.clone()).or_default(),
        };
        let replaced = versions.insert(record.number, Arc::clone(&record));
        let mut change = CatalogChange::default();
        if counts {
            change.versions.insert((record.class.clone(), record.number));
        }
        change.removed.extend(replaced);
        change.added.push(record);
        change
    }

    fn delete_class(&mut self, name: &str) -> CatalogChange {
        let mut change = CatalogChange::default();
        if let Some(class) = self.classes.remove(name) {
            change.classes.insert(name.to_owned());
            // Their own tombstones remove them; a class that is created again must not inherit them meanwhile.
            change.removed.extend(class.versions.into_values());
        }
        change
    }

    fn delete_version(&mut self, class: &str, number: u32) -> CatalogChange {
        let versions = match self.classes.get_mut(class) {
            Some(class) => Some(&mut class.versions),
            None => self.unclaimed.get_mut(class),
        };
        let mut change = CatalogChange::default();
        if let Some(removed) = versions.and_then(|versions| versions.remove(&number)) {
            change.versions.insert((class.to_owned(), number));
            change.removed.push(removed);
        }
        change
    }

    fn put_group(&mut self, name: &str, group: Option<GroupRecord>) -> CatalogChange {
        let before: BTreeSet<String> = self.names_in(name);
        match group {
            Some(group) => self.groups.insert(name.to_owned(), Arc::new(group)),
            None => self.groups.remove(name),
        };
        let after = self.names_in(name);
        CatalogChange {
            classes: before.symmetric_difference(&after).cloned().collect(),
            ..CatalogChange::default()
        }
    }

    fn names_in(&self, group: &str) -> BTreeSet<String> {
        self.groups
            .get(group)
            .map(|group| self.selected(group).map(|class| class.record.name.clone()).collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::catalog::Following;
    use crate::record::{ObjectReference, ReferenceKind};

    fn class(generation: u64, versions: u32, current: Option<u32>, os: &str) -> CatalogRecord {
        CatalogRecord::ImageClass(ClassRecord {
            name: "base".to_owned(),
            sequence: generation,
            generation,
            labels: BTreeMap::from([("os".to_owned(), os.to_owned())]),
            from: ObjectReference {
                kind: ReferenceKind::ImageStreamTag,
                name: "base:latest".to_owned(),
                namespace: None,
            },
            version_sources: crate::record::VersionSources::default(),
            versions,
            current,
            revision: 1,
            following: Following { ready: true, reason: String::new(), message: String::new() },
            rebuild: None,
        })
    }

    /// Says if a record changes the whole class, and which of its versions.
    fn change(before: CatalogRecord, after: CatalogRecord) -> (bool, Vec<u32>) {
        let mut catalog = Catalog::default();
        let key = CatalogKey::Class("base".to_owned());
        assert!(catalog.apply(&key, Some(before)).classes.contains("base"));
        let change = catalog.apply(&key, Some(after));
        (!change.classes.is_empty(), change.versions.into_iter().map(|(_, number)| number).collect())
    }

    /// Compaction takes the deletion between the two away.
    #[test]
    fn a_class_that_was_made_anew_or_has_other_labels_changes_as_a_whole() {
        assert_eq!(change(class(1, 2, Some(1), "a"), class(5, 2, Some(1), "a")), (true, vec![]));
        assert_eq!(change(class(1, 2, Some(1), "a"), class(1, 2, Some(1), "b")), (true, vec![]));
    }

    #[test]
    fn of_a_class_that_moves_on_only_the_versions_change_that_count_now_or_are_current_or_were() {
        assert_eq!(change(class(1, 2, Some(1), "a"), class(1, 2, Some(1), "a")), (false, vec![]));
        assert_eq!(change(class(1, 2, Some(1), "a"), class(1, 3, Some(1), "a")), (false, vec![2]));
        assert_eq!(change(class(1, 2, Some(1), "a"), class(1, 3, Some(2), "a")), (false, vec![1, 2]));
        assert_eq!(change(class(1, 3, Some(2), "a"), class(1, 3, Some(0), "a")), (false, vec![0, 2]));
        assert_eq!(change(class(1, 1, Some(0), "a"), class(1, 1, None, "a")), (false, vec![0]));
    }

    fn version(number: u32) -> CatalogRecord {
        CatalogRecord::ImageClassVersion(VersionRecord {
            class: "base".to_owned(),
            number,
            digest: Digest::of(&number.to_be_bytes()),
            origin: Origin::Observed,
            tag: None,
            since: Some(crate::record::Timestamp::UNIX_EPOCH),
            built: None,
            images: Vec::new(),
        })
    }

    fn version_key(number: u32) -> CatalogKey {
        CatalogKey::Version("base".to_owned(), number)
    }

    #[test]
    fn a_version_counts_once_its_class_says_so() {
        let mut catalog = Catalog::default();
        let counted = BTreeSet::from([("base".to_owned(), 1)]);
        // The class may come after its versions.
        assert_eq!(catalog.apply(&version_key(0), Some(version(0))).versions, BTreeSet::new());
        catalog.apply(&CatalogKey::Class("base".to_owned()), Some(class(1, 2, Some(1), "a")));
        assert_eq!(catalog.apply(&version_key(1), Some(version(1))).versions, counted);
        assert_eq!(catalog.apply(&version_key(2), Some(version(2))).versions, BTreeSet::new());
        let class = catalog.class("base").unwrap();
        assert_eq!([0, 1, 2, 3].map(|number| class.version(number).is_some()), [true, true, false, false]);
        assert_eq!(class.versions().count(), 2);
        let change = catalog.apply(&version_key(1), None);
        assert_eq!((change.versions, change.removed.len()), (counted, 1));
        assert!(catalog.class("base").unwrap().version(1).is_none());
        assert!(catalog.apply(&version_key(1), None).removed.is_empty());
    }

    #[test]
    fn two_catalogs_are_the_same_if_their_records_are() {
        let of = |record: CatalogRecord| {
            let mut catalog = Catalog::default();
            catalog.apply(&CatalogKey::Class("base".to_owned()), Some(record));
            catalog
        };
        let one = of(class(1, 2, Some(1), "a"));
        assert!(one.is_same(&of(class(1, 2, Some(1), "a"))));
        assert!(!one.is_same(&of(class(2, 2, Some(1), "a"))) && !one.is_same(&Catalog::default()));
        let group = GroupRecord {
            name: "os".to_owned(),
            sequence: 1,
            selector: crate::record::catalog::Selector::default(),
        };
        let mut more = one.clone();
        more.apply(&CatalogKey::Group("os".to_owned()), Some(CatalogRecord::ImageClassGroup(group)));
        assert!(!one.is_same(&more));
        assert_eq!(more.groups().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["os"]);
    }
}
