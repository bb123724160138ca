//! The tags of one partition.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::record::{StreamTag, TagImage, TagRecord, Timestamp};

/// The present state of a tag. Its history stays on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The full name.
    pub name: String,
    /// The sequence. Of two records of one tag, the higher is the newer.
    pub sequence: u64,
    /// The part of the name before the tag.
    pub repository: String,
    /// The time at which the tag began to point there.
    pub since: Timestamp,
    /// The image or image index that it points at.
    pub digest: Digest,
    /// The images that it resolves to.
    pub images: Vec<TagImage>,
    /// The facts beside the target that an image stream states about the tag.
    pub stream: StreamTag,
}

impl Tag {
    /// The images that it resolves to.
    pub fn targets(&self) -> impl Iterator<Item = Digest> {
        let itself = self.images.is_empty().then_some(self.digest);
        self.images.iter().map(|image| image.digest).chain(itself)
    }
}

/// Tags by name and by target.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags {
    by_name: BTreeMap<String, Arc<Tag>>,
    by_digest: HashMap<Digest, Vec<Arc<Tag>>>,
}

impl Tags {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Tag>> {
        self.by_name.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Tag>> {
        self.by_name.values()
    }

    pub(super) fn from<'a>(&'a self, from: Bound<&str>) -> impl Iterator<Item = &'a Arc<Tag>> + use<'a> {
        self.by_name.range::<str, _>((from, Bound::Unbounded)).map(|(_, tag)| tag)
    }

    pub(super) fn of(&self, digest: &Digest) -> impl Iterator<Item = &Arc<Tag>> {
        self.by_digest.get(digest).into_iter().flatten()
    }

    /// Adds the tag from its record. A tag that is no longer listed is in no answer.
    pub(super) fn put(&mut self, record: &TagRecord) {
        self.remove(&record.name);
        let Some(digest) = record.current.digest else { return };
        self.insert(Arc::new(Tag {
            name: record.name.clone(),
            sequence: record.sequence,
            repository: record.repository.clone(),
            since: record.current.since,
            digest,
            images: record.current.images.clone(),
            stream: record.stream.clone(),
        }));
    }

    /// Adds a tag under a name that is free.
    pub(super) fn insert(&mut self, tag: Arc<Tag>) {
        for digest in targets(&tag) {
            let tags = self.by_digest.entry(digest).or_default();
            let at = tags.partition_point(|other| other.name < tag.name);
            tags.insert(at, Arc::clone(&tag));
        }
        self.by_name.insert(tag.name.clone(), tag);
    }

    pub(super) fn remove(&mut self, name: &str) {
        let Some(tag) = self.by_name.remove(name) else { return };
        for digest in targets(&tag) {
            if let Some(tags) = self.by_digest.get_mut(&digest) {
                tags.retain(|other| other.name != tag.name);
                if tags.is_empty() {
                    self.by_digest.remove(&digest);
                }
            }
        }
    }
}

/// Every digest that the tag points at, each once.
fn targets(tag: &Tag) -> Vec<Digest> {
    let mut targets: Vec<Digest> = tag.images.iter().map(|image| image.digest).chain([tag.digest]).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}
