//! Who may write while everything is copied from some topics into others, and how it is told whether that has finished.
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

/// What is copied.
const COPIED: [Topic; 6] = [
    Topic::Images,
    Topic::Tags,
    Topic::Catalog,
    Topic::Buildconfigs,
    Topic::Classifications,
    Topic::Rebuilds,
];

/// The last record of a partition is among the last offsets, unless one transaction after the other was aborted there.
const TAIL: Offset = 64;

/// The old topics, from which everything is copied.
pub(super) struct Old<'a> {
    log: &'a dyn Log,
    ends: BTreeMap<TopicPartition, Offset>,
    /// Not written with: whoever had these names before has lost them.
    _writers: Vec<Box<dyn Writer>>,
}

impl<'a> Old<'a> {
    /// Fences whoever writes to the topics.
    pub(super) fn fence(log: &'a dyn Log) -> Result<Self, PublishError> {
        let mut writers = vec![log.writer("publisher")?, log.writer("rebuilder")?];
        for partition in 0..log.partitions() {
            writers.push(log.writer(&processor(partition))?);
        }
        Ok(Self { log, ends: ends(log)?, _writers: writers })
    }

    pub(super) fn log(&self) -> &'a dyn Log {
        self.log
    }

    /// An error if anything was written since. A service that is fenced begins again with a new writer of its name, so
    /// fencing alone stops none.
    pub(super) fn check_rests(&self) -> Result<(), PublishError> {
        let now = ends(self.log)?;
        let Some((of, _)) = now.iter().find(|(of, end)| self.ends.get(of) != Some(*end)) else {
            return Ok(());
        };
        Err(PublishError::Refused(format!(
            "something was written to the old topics while they were copied ({of}): stop `clade watch`, `clade rebuilder` \
             and every `clade process` there, and run `clade topics migrate` again"
        )))
    }
}

/// The name of the writer of a partition's processor.
fn processor(partition: u16) -> String {
    format!("processor-{partition}")
}

fn partitions(log: &dyn Log, topic: Topic) -> std::ops::Range<u16> {
    0..if topic.is_partitioned() { log.partitions() } else { 1 }
}

/// All partitions of what is copied.
pub(super) fn copied(log: &dyn Log) -> impl Iterator<Item = TopicPartition> {
    COPIED
        .into_iter()
        .flat_map(|topic| partitions(log, topic).map(move |partition| TopicPartition { topic, partition }))
}

fn ends(log: &dyn Log) -> Result<BTreeMap<TopicPartition, Offset>, LogError> {
    copied(log).map(|of| Ok((of, log.end(of)?))).collect()
}

/// Says of every partition that not everything was copied into it. A processor that is at work there is fenced, and the
/// next one refuses; the record is written under its name, so that it cannot write its own behind it.
pub(super) fn begin(new: &dyn Log) -> Result<(), PublishError> {
    for partition in 0..new.partitions() {
        let mut writer = new.writer(&processor(partition))?;
        writer.append(vec![progress(ProgressRecord::unfinished(partition))?])?;
    }
    Ok(())
}

/// Says of every partition that it is to be processed from its beginning.
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

/// The last record of each partition that has one behind the offset beside it.
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

/// Whether a migration into these topics has begun and not finished.
pub(super) fn is_unfinished(log: &dyn Log) -> Result<bool, LogError> {
    let mut tails = Vec::new();
    for partition in 0..log.partitions() {
        let end = log.end(TopicPartition { topic: Topic::Progress, partition })?;
        tails.push((partition, end.saturating_sub(TAIL)));
    }
    let mut last = last_progress(log, &tails)?;
    // Where nothing but aborted transactions stand in the end, all of it has to be looked through.
    let is_unseen = |(partition, from): &(u16, Offset)| *from > 0 && !last.contains_key(partition);
    let unseen: Vec<(u16, Offset)> =
        tails.iter().filter(|tail| is_unseen(tail)).map(|(partition, _)| (*partition, 0)).collect();
    if !unseen.is_empty() {
        last.extend(last_progress(log, &unseen)?);
    }
    Ok(last.values().any(ProgressRecord::is_unfinished))
}

/// Refuses topics into which not everything was copied.
pub(super) fn refuse_unfinished(log: &dyn Log) -> Result<(), PublishError> {
    if is_unfinished(log)? {
        return Err(PublishError::Refused(
            "a migration into these topics has not finished: run `clade topics migrate` again".to_owned(),
        ));
    }
    Ok(())
}
