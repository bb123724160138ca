//! Guards a migration: decides who may write while records are copied into new topics, and records whether the copy has
//! finished.
//!
//! ```text
//!   new progress[p]   unfinished ........................ beginning      processors refuse what is unfinished
//!   new topics          (cleared) images, tags, …, catalog
//!   old topics        fenced, ends noted ............ ends compared      what is written behind the copy is found
//! ```

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::PublishError;
use crate::log::{Batch, Log, LogError, Offset, Record, TopicPartition, Writer, for_each_of};
use crate::record::{ProgressRecord, Topic, decode, encode};

/// The topics that are copied.
const COPIED: [Topic; 8] = [
    Topic::Images,
    Topic::Tags,
    Topic::Catalog,
    Topic::Buildconfigs,
    Topic::Workloads,
    Topic::Classifications,
    Topic::Decisions,
    Topic::Rebuilds,
];

/// The last record of a partition is among the last offsets, unless many transactions in a row were aborted there.
const TAIL: Offset = 64;

/// The old topics, the source of the copy.
pub(super) struct Old<'a> {
    log: &'a dyn Log,
    ends: BTreeMap<TopicPartition, Offset>,
    /// Never used to write: opening them has fenced the earlier writers of these names.
    _writers: Vec<Box<dyn Writer>>,
}

impl<'a> Old<'a> {
    /// Fences the writers of the topics.
    pub(super) fn fence(log: &'a dyn Log) -> Result<Self, PublishError> {
        let mut writers = vec![log.writer("publisher")?, log.writer("rebuilder")?, log.writer("decisions")?];
        for partition in 0..log.partitions() {
            writers.push(log.writer(&processor(partition))?);
        }
        Ok(Self { log, ends: ends(log)?, _writers: writers })
    }

    pub(super) fn log(&self) -> &'a dyn Log {
        self.log
    }

    /// Returns an error if anything was written since. A fenced service begins again with a new writer of its name, so
    /// fencing alone stops none.
    pub(super) fn check_rests(&self) -> Result<(), PublishError> {
        let now = ends(self.log)?;
        let Some((of, _)) = now.iter().find(|(of, end)| self.ends.get(of) != Some(*end)) else {
            return Ok(());
        };
        Err(PublishError::Refused(format!(
            "something was written to the old topics while they were copied ({of}): stop `clade watch`, `clade rebuilder`, \
             `clade admit` and every `clade process` there, and run `clade topics migrate` again"
        )))
    }
}

/// The writer name of a partition's processor.
fn processor(partition: u16) -> String {
    format!("processor-{partition}")
}

fn partitions(log: &dyn Log, topic: Topic) -> std::ops::Range<u16> {
    0..if topic.is_partitioned() { log.partitions() } else { 1 }
}

/// All partitions of the topics to copy.
pub(super) fn copied(log: &dyn Log) -> impl Iterator<Item = TopicPartition> {
    COPIED
        .into_iter()
        .flat_map(|topic| partitions(log, topic).map(move |partition| TopicPartition { topic, partition }))
}

fn ends(log: &dyn Log) -> Result<BTreeMap<TopicPartition, Offset>, LogError> {
    copied(log).map(|of| Ok((of, log.end(of)?))).collect()
}

/// Marks every partition as unfinished. A processor at work there is fenced, and the next one refuses to start. The
/// record is written under the processor's writer name, so that the processor cannot write its own record behind it.
pub(super) fn begin(new: &dyn Log) -> Result<(), PublishError> {
    // Whoever decides about workloads there reads the topic again before it writes more.
    new.writer("decisions")?;
    for partition in 0..new.partitions() {
        let mut writer = new.writer(&processor(partition))?;
        writer.append(vec![progress(ProgressRecord::unfinished(partition))?])?;
    }
    Ok(())
}

/// Marks every partition as ready to be processed from its beginning.
pub(super) fn finish(new: &dyn Log, writer: &mut dyn Writer) -> Result<(), PublishError> {
    let beginning = |partition| progress(ProgressRecord::beginning(partition, new.partitions()));
    let batch = (0..new.partitions()).map(beginning).collect::<Result<Batch, _>>()?;
    writer.append(batch)?;
    Ok(())
}

fn progress(record: ProgressRecord) -> Result<(TopicPartition, Record), PublishError> {
    let to = TopicPartition { topic: Topic::Progress, partition: record.partition };
    Ok((to, encode(record.partition.to_string(), &record)?))
}

/// The last record of each partition that has one behind the given offset.
fn last_progress(log: &dyn Log, from: &[(u16, Offset)]) -> Result<BTreeMap<u16, ProgressRecord>, LogError> {
    let mut last = BTreeMap::new();
    for_each_of(log, Topic::Progress, from, |partition, stored| {
        if let Ok(Some(progress)) = decode::<ProgressRecord>(&stored.record) {
            last.insert(partition, progress);
        }
        ControlFlow::Continue(())
    })?;
    Ok(last)
}

/// Returns `true` if a migration into these topics has begun and not finished.
pub(super) fn is_unfinished(log: &dyn Log) -> Result<bool, LogError> {
    let mut tails = Vec::new();
    for partition in 0..log.partitions() {
        let end = log.end(TopicPartition { topic: Topic::Progress, partition })?;
        tails.push((partition, end.saturating_sub(TAIL)));
    }
    let mut last = last_progress(log, &tails)?;
    // If only aborted transactions stand at the end, the whole partition has to be read.
    let is_unseen = |(partition, from): &(u16, Offset)| *from > 0 && !last.contains_key(partition);
    let unseen: Vec<(u16, Offset)> =
        tails.iter().filter(|tail| is_unseen(tail)).map(|(partition, _)| (*partition, 0)).collect();
    if !unseen.is_empty() {
        last.extend(last_progress(log, &unseen)?);
    }
    Ok(last.values().any(ProgressRecord::is_unfinished))
}

/// Refuses topics into which a migration has not finished.
pub(super) fn refuse_unfinished(log: &dyn Log) -> Result<(), PublishError> {
    if is_unfinished(log)? {
        return Err(PublishError::Refused(
            "a migration into these topics has not finished: run `clade topics migrate` again".to_owned(),
        ));
    }
    Ok(())
}
