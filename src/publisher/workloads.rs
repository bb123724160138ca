//! Publishes workloads: writes those that differ from what was published, and deletes those that a source has no longer.

use std::collections::HashSet;

use super::restore::sequence_of;
use super::written::{Written, at, too_large};
use super::{PublishError, Publisher};
use crate::log::{SharedLog, TopicPartition, for_each};
use crate::record::{Topic, WorkloadRecord, decode, encode, tombstone};

impl Publisher {
    pub(super) fn restore_workloads(&mut self) -> Result<(), PublishError> {
        let log = SharedLog::clone(&self.log);
        for_each(&*log, TopicPartition { topic: Topic::Workloads, partition: 0 }, |stored| {
            self.sequence = self.sequence.max(sequence_of(stored));
            match decode::<WorkloadRecord>(&stored.record) {
                Ok(Some(record)) => drop(self.workloads.insert(stored.record.key.clone(), record)),
                Ok(None) => drop(self.workloads.remove(&stored.record.key)),
                Err(_) => {}
            }
        })?;
        Ok(())
    }

    /// Handles a workload that a source has no longer. One that another source has reported since stays.
    pub(super) fn observe_workload_gone(&mut self, source: &str, key: &str) {
        let known = match self.pending.workloads.get(key) {
            Some(pending) => pending.as_ref(),
            None => self.workloads.get(key),
        };
        if known.is_some_and(|known| is_of(known, source)) {
            self.pending.workloads.insert(key.to_owned(), None);
        }
    }

    /// Handles the workloads of a source: all of them, or all in these namespaces.
    pub(super) fn observe_listed_workloads(
        &mut self,
        source: &str,
        listed: &HashSet<String>,
        namespaces: Option<&HashSet<String>>,
    ) {
        let is_covered =
            |of: &WorkloadRecord| namespaces.is_none_or(|namespaces| namespaces.contains(&of.namespace));
        let pending = self.pending.workloads.iter();
        let pending = pending.filter_map(|(key, record)| Some((key, record.as_ref()?)));
        let gone: Vec<String> = self
            .workloads
            .iter()
            .chain(pending)
            .filter(|(key, of)| is_of(of, source) && is_covered(of) && !listed.contains(*key))
            .map(|(key, _)| key.clone())
            .collect();
        gone.iter().for_each(|key| self.observe_workload_gone(source, key));
    }

    pub(super) fn write_workloads(&mut self) -> Result<(), PublishError> {
        for (key, record) in std::mem::take(&mut self.pending.workloads) {
            let known = self.workloads.get(&key);
            let record = record.map(|record| match known {
                Some(known) => running_since(record, known),
                None => record,
            });
            if known == record.as_ref() {
                continue;
            }
            self.sequence += 1;
            let encoded = match record {
                Some(record) => {
                    let record = WorkloadRecord { sequence: self.sequence, ..record };
                    let encoded = encode(key.clone(), &record)?;
                    if let Some(problem) = too_large(&encoded) {
                        self.bury(format!("workload {key}"), &encoded, problem);
                        continue;
                    }
                    self.workloads.insert(key, record);
                    encoded
                }
                None => {
                    self.workloads.remove(&key);
                    let id = format!("{key}@{}", self.sequence);
                    tombstone::<WorkloadRecord>(key, id)
                }
            };
            self.put_group(vec![(at(Topic::Workloads, 0), encoded, Written::Nothing)])?;
            self.counts.workloads += 1;
        }
        Ok(())
    }
}

/// Returns `true` if the source reported the workload. That of an import has no name.
fn is_of(workload: &WorkloadRecord, source: &str) -> bool {
    workload.source.as_deref().unwrap_or_default() == source
}

/// Returns the record with the known sequence, and with the earliest known start of each image that still runs: pods come and
/// go, and the image has run all the time.
fn running_since(mut record: WorkloadRecord, known: &WorkloadRecord) -> WorkloadRecord {
    record.sequence = known.sequence;
    for container in &mut record.containers {
        let before = known.containers.iter();
        let before = before.filter(|of| (of.role, &of.name) == (container.role, &container.name));
        for image in &mut container.images {
            let same = before.clone().flat_map(|of| &of.images).find(|of| {
                (&of.asked, of.running, &of.platform) == (&image.asked, image.running, &image.platform)
            });
            let earlier = same.and_then(|same| same.since);
            image.since = image.since.into_iter().chain(earlier).min();
        }
    }
    record
}
