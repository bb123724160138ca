//! The classifications of images, as they stand on the log. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::desk::Desk;
use super::labels::labels_of;
use crate::class::Count;
use crate::oci::Digest;
use crate::record::{ClassificationRecord, State};

/// The images that are in a class, and the number of them in each.
#[derive(Default)]
pub(super) struct Images {
    members: HashMap<Digest, Member>,
    counts: BTreeMap<String, Count>,
}

struct Member {
    /// The partition of the record. An image that moves between partitions stands in both for a while.
    partition: u16,
    sequence: u64,
    states: Vec<(String, State)>,
}

impl Images {
    /// Takes a classification from a partition, and tells the desk; `None` means that the image is in no class any more.
    pub(super) fn classified(
        &mut self,
        desk: &mut Desk<Digest>,
        partition: u16,
        digest: Digest,
        record: Option<&ClassificationRecord>,
    ) {
        // Partitions are read in any order: a deletion or an older record from another partition does not count.
        let is_older = |member: &Member| {
            member.partition != partition && record.is_none_or(|record| record.sequence < member.sequence)
        };
        if self.members.get(&digest).is_some_and(is_older) {
            return;
        }
        if let Some(before) = self.members.remove(&digest) {
            for (class, state) in before.states {
                if let Some(count) = self.counts.get_mut(&class) {
                    count.remove(state);
                }
            }
        }
        if let Some(record) = record {
            let states: Vec<_> =
                record.classes.iter().map(|class| (class.name.clone(), class.state)).collect();
            for (class, state) in &states {
                self.counts.entry(class.clone()).or_default().add(*state);
            }
            self.members.insert(digest, Member { partition, sequence: record.sequence, states });
        }
        desk.want(&digest, record.map(|record| Arc::new(labels_of(record))));
    }

    /// The number of images in each class.
    pub(super) fn counts(&self) -> &BTreeMap<String, Count> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: &str) -> ClassificationRecord {
        serde_json::from_value(serde_json::json!({
            "digest": Digest::of(b"app"), "sequence": 1, "platform": {"os": "linux", "architecture": "amd64"},
            "classes": [{
                "name": "rhel7", "generation": 1, "state": state, "version": Digest::of(b"base"), "depth": 3, "nearest": true
            }],
        }))
        .unwrap()
    }

    #[test]
    fn an_image_that_went_to_another_partition_is_not_taken_back_by_the_first() {
        let (mut images, mut desk, app) = (Images::default(), Desk::default(), Digest::of(b"app"));
        let (current, later) =
            (record("current"), ClassificationRecord { sequence: 2, ..record("outdated") });
        images.classified(&mut desk, 0, app, Some(&current));
        images.classified(&mut desk, 1, app, Some(&later));
        images.classified(&mut desk, 0, app, None);
        assert_eq!(images.counts()["rhel7"], Count { members: 1, outdated: 1 });
        // The same if the second partition is read first.
        images.classified(&mut desk, 0, app, Some(&current));
        images.classified(&mut desk, 0, app, None);
        assert_eq!(images.counts()["rhel7"], Count { members: 1, outdated: 1 });
        images.classified(&mut desk, 1, app, None);
        assert_eq!(images.counts()["rhel7"], Count::default());
    }
}
