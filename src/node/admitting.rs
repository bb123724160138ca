//! The service that writes what the webhook has judged to the log. No API server waits for it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::service::Service;
use super::{Node, NodeError};
use crate::decisions::{Admissions, DecideError};
use crate::log::SharedLog;
use crate::record::AdmissionRecord;
use crate::retry::{Backoff, Policy};

/// Questions on their way to the service. It takes them at once.
const WAITING: usize = 1_024;
/// Records of one write, at most.
const AT_ONCE: usize = 512;
/// Those of one namespace: whoever may create pods there does not hide what happens elsewhere.
const OF_A_NAMESPACE: usize = 32;
/// The time between two writes: pods of one workload that come together are one record.
const PAUSE: Duration = Duration::from_secs(2);
/// Delays after a failure of the log.
const RETRY: Policy = Policy::new(Duration::from_secs(2), Duration::from_secs(64));

impl Node {
    /// The channel to the service, and the service.
    pub(super) fn admissions(&self) -> (mpsc::Sender<AdmissionRecord>, Service) {
        let (out, receiver) = mpsc::channel(WAITING);
        // Where this process is the only one, its name is the same for ever: the log remembers each name.
        let name = match self.publishing {
            Some(_) => "admissions".to_owned(),
            None => format!("admissions-{:016x}", fastrand::u64(..)),
        };
        let writing = Writing { log: SharedLog::clone(&self.log), name, open: None, batch: Vec::new() };
        let metrics = self.telemetry.metrics.admission.clone();
        let lost = move || metrics.unrecorded.inc();
        (out, Service::new("admissions", run(writing, receiver, lost)))
    }
}

/// What waits for the next write.
#[derive(Default)]
struct Waiting {
    records: Vec<AdmissionRecord>,
    namespaces: HashMap<String, usize>,
}

impl Waiting {
    /// Takes a record: pods of one workload that were judged alike become one. Returns `false` if there is no room for it.
    fn add(&mut self, admission: AdmissionRecord) -> bool {
        if let Some(same) = self.records.iter_mut().find(|other| other.is_alike(&admission)) {
            same.times = same.times.saturating_add(admission.times);
            return true;
        }
        let of_namespace = self.namespaces.get(&admission.namespace).copied().unwrap_or_default();
        if self.records.len() == AT_ONCE || of_namespace == OF_A_NAMESPACE {
            return false;
        }
        self.namespaces.insert(admission.namespace.clone(), of_namespace + 1);
        self.records.push(admission);
        true
    }

    fn take(&mut self) -> Vec<AdmissionRecord> {
        self.namespaces.clear();
        std::mem::take(&mut self.records)
    }
}

/// The writer, and the batch that it writes. A batch that has failed is written again as it was: some of it may stand on the log.
struct Writing {
    log: SharedLog,
    name: String,
    open: Option<Admissions>,
    batch: Vec<AdmissionRecord>,
}

impl Writing {
    fn write(&mut self) -> Result<(), DecideError> {
        if self.batch.is_empty() {
            self.open.iter_mut().for_each(Admissions::idle);
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Admissions::open(&*self.log, &self.name)?,
        };
        open.write(&self.batch)?;
        self.batch.clear();
        self.open = Some(open);
        Ok(())
    }
}

/// Writes what comes, once in a while. `lost` is called for each question that finds no room.
async fn run(
    writing: Writing,
    mut receiver: mpsc::Receiver<AdmissionRecord>,
    lost: impl Fn(),
) -> Result<(), NodeError> {
    let (mut waiting, mut backoff) = (Waiting::default(), Backoff::new(RETRY));
    // The writer rests, or a write is under way. What comes meanwhile waits, and nobody waits for it.
    let (mut rests, mut writes) = (Some(writing), JoinSet::new());
    let mut next = Instant::now() + PAUSE;
    loop {
        tokio::select! {
            Some(admission) = receiver.recv() => {
                if !waiting.add(admission) {
                    lost();
                }
            }
            () = tokio::time::sleep_until(next), if writes.is_empty() => {
                let Some(mut writing) = rests.take() else { continue };
                if writing.batch.is_empty() {
                    writing.batch = waiting.take();
                }
                writes.spawn_blocking(move || {
                    let written = writing.write();
                    (writing, written)
                });
            }
            Some(ended) = writes.join_next(), if !writes.is_empty() => {
                let (writing, written) = ended.map_err(|error| NodeError::Ended(error.to_string()))?;
                rests = Some(writing);
                next = Instant::now() + pause(written, &mut backoff);
            }
        }
    }
}

/// The time until the next write.
fn pause(written: Result<(), DecideError>, backoff: &mut Backoff) -> Duration {
    let Err(error) = written else {
        backoff.succeeded();
        return PAUSE;
    };
    let failure = backoff.failed();
    if failure.is_logged() {
        tracing::warn!(times = failure.times, "cannot write what the webhook judged: {error}");
    }
    failure.wait
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::{Faults, MemoryLog};
    use crate::log::{TopicPartition, for_each};
    use crate::record::{Topic, decode};

    fn admission(namespace: &str, name: &str) -> AdmissionRecord {
        serde_json::from_value(serde_json::json!({
            "id": format!("{namespace}/{name}"), "time": "2026-11-28T12:00:00Z", "times": 1, "user": "somebody",
            "namespace": namespace, "kind": "Pod", "name": name, "verdict": "violating", "decision": "deny",
            "findings": [],
        }))
        .unwrap()
    }

    #[test]
    fn one_namespace_leaves_room_for_the_others_and_like_ones_need_none() {
        let mut waiting = Waiting::default();
        let taken = (0..100).filter(|number| waiting.add(admission("loud", &number.to_string()))).count();
        assert_eq!(taken, OF_A_NAMESPACE);
        assert!(waiting.add(admission("loud", "0")), "it is like the first one");
        assert!(waiting.add(admission("quiet", "0")));
        let more = (0..1_000).filter(|number| waiting.add(admission(&number.to_string(), "0"))).count();
        assert_eq!(more, AT_ONCE - OF_A_NAMESPACE - 1);
        let batch = waiting.take();
        assert_eq!((batch.len(), batch[0].times), (AT_ONCE, 2));
        assert!(waiting.add(admission("loud", "200")), "there is room again");
    }

    #[test]
    fn a_batch_that_has_failed_is_written_again_as_it_was() {
        let shared: SharedLog = std::sync::Arc::new(MemoryLog::new(1, Faults::none()));
        let batch = vec![admission("shop", "web")];
        let mut writing =
            Writing { log: SharedLog::clone(&shared), name: "admissions".to_owned(), open: None, batch };
        writing.open = Some(Admissions::open(&*shared, "admissions").unwrap());
        // Another writer of the name fences this one.
        let other = Admissions::open(&*shared, "admissions").unwrap();
        writing.write().unwrap_err();
        drop(other);
        assert_eq!(writing.batch.len(), 1);
        writing.write().unwrap();
        assert!(writing.batch.is_empty());
        let mut written = Vec::new();
        for_each(&*shared, TopicPartition { topic: Topic::Admissions, partition: 0 }, |stored| {
            written.extend(decode::<AdmissionRecord>(&stored.record).unwrap());
        })
        .unwrap();
        assert_eq!(written, [admission("shop", "web")]);
    }
}
