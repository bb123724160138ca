//! Decisions: judges what runs by the policies, and keeps the topic `decisions` equal to the outcome.
//!
//! ```text
//!   workloads, images, classes, policies ─► Query ─► verdicts ─► Desk (what differs) ─► decisions
//! ```
//!
//! It has no offsets of its own: each round compares all verdicts with what stands on the topic. So it does not matter where
//! an earlier writer died, and a decision stands there once. What the admission webhook judges goes to a topic of its own
//! (`admissions`): each of them is an event.

mod admissions;
mod desk;

pub use admissions::Admissions;

use crate::log::{AppendError, Batch, Log, LogError, TopicPartition, Writer, check_size, for_each};
use crate::oci::Timestamp;
use crate::policy::Behind;
use crate::query::{Query, Tally, WorkloadsRequest};
use crate::record::{DecisionRecord, Topic, decode, encode, tombstone};
use desk::{Desk, Write};

/// The name of the writer. The last process that opens it is the one that may write.
const WRITER: &str = "decisions";
/// Records that become visible together, at most.
const BATCH: usize = 500;
const PLACE: TopicPartition = TopicPartition { topic: Topic::Decisions, partition: 0 };

/// An error of a round.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The topic could not be read.
    #[error("cannot read the decisions: {0}")]
    Log(#[from] LogError),
    /// Another process writes decisions now.
    #[error("another process decides about workloads now: run one of them, or give each the same --lease")]
    Fenced,
    /// The index answers no question.
    #[error("cannot judge what runs: {0}")]
    Judge(String),
    /// A decision could not be written.
    #[error("cannot write a decision: {0}")]
    Append(String),
}

impl From<AppendError> for DecideError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced => Self::Fenced,
            error => Self::Append(error.to_string()),
        }
    }
}

/// What a round has found, and has not written yet.
#[derive(Debug)]
pub struct Judged {
    /// The numbers of workloads by their verdicts; `None` if a verdict was on old knowledge.
    pub tally: Option<Tally>,
    /// The time at which a judgement ends by itself, if one does: the next round is due then.
    pub until: Option<Timestamp>,
    writes: Vec<Write>,
}

/// The right to decide. Every call blocks.
pub struct Decisions {
    writer: Box<dyn Writer>,
    desk: Desk,
}

impl Decisions {
    /// Takes over from an earlier writer, and reads the topic.
    pub fn open(log: &dyn Log) -> Result<Self, DecideError> {
        // The writer first: from then on no other process adds records.
        let writer = log.writer(WRITER)?;
        let mut desk = Desk::default();
        for_each(log, PLACE, |stored| match decode::<DecisionRecord>(&stored.record) {
            Ok(record) => desk.put((stored.record.key.clone(), record)),
            Err(error) => {
                let key: String = stored.record.key.chars().take(256).collect();
                tracing::warn!(key, "a decision cannot be read, and is written anew: {error}");
                desk.put_unreadable(stored.record.key.clone());
            }
        })?;
        Ok(Self { writer, desk })
    }

    /// Judges everything that runs, by answers that are so far behind. It writes nothing: the index is free again before anything
    /// waits for the log.
    pub fn judge(&self, query: &Query, now: Timestamp, behind: Behind) -> Result<Judged, DecideError> {
        let mut round = self.desk.round();
        let mut until: Option<Timestamp> = None;
        let judged =
            query.judge_workloads(&WorkloadsRequest::default(), now, behind, |key, workload, _, verdict| {
                let judgements = verdict.containers.iter().flat_map(|container| &container.judgements);
                until = judgements.filter_map(|judgement| judgement.until).chain(until).min();
                round.take(key, workload, &verdict, now);
            });
        let tally = judged.map_err(DecideError::Judge)?;
        let tally = (!round.is_stale()).then_some(tally);
        Ok(Judged { tally, until, writes: round.differences() })
    }

    /// Writes what a round has found, and returns the number of decisions. After an error the right has to be opened anew.
    pub fn write(&mut self, judged: Judged, now: Timestamp) -> Result<usize, DecideError> {
        let writes = judged.writes;
        let written = writes.len();
        for part in writes.chunks(BATCH) {
            let batch: Batch = part.iter().map(|write| encoded(write, now)).collect::<Result<_, _>>()?;
            self.writer.append(batch)?;
        }
        writes.into_iter().for_each(|write| self.desk.put(write));
        Ok(written)
    }

    /// Does the periodic work of a client. The owner calls it between rounds.
    pub fn idle(&mut self) {
        self.writer.idle();
    }
}

fn encoded(
    (key, record): &Write,
    now: Timestamp,
) -> Result<(TopicPartition, crate::log::Record), DecideError> {
    let encoded = match record {
        Some(record) => encode(key.clone(), record)
            .map_err(|error| DecideError::Append(format!("{key} cannot be encoded: {error}")))?,
        None => tombstone::<DecisionRecord>(key.clone(), format!("{key}@{now}")),
    };
    check_size(PLACE, &encoded)?;
    Ok((PLACE, encoded))
}
