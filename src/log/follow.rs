//! Follows a topic: a thread reads it continuously and passes the records to a consumer.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Fetched, Log, LogError, Offset, ReadLimit, SharedLog, TopicPartition};
use crate::record::Topic;

/// Limit of a read: large enough to be fast, and a consumer that holds several of them takes some dozen megabytes.
const READ: ReadLimit = ReadLimit { records: 2_000, bytes: 4 << 20 };
/// Interval at which the reader checks the stop flag.
const LOOK: Duration = Duration::from_millis(200);

/// A message from a follower to its consumer.
#[derive(Debug)]
pub enum Followed {
    /// Records of one partition.
    Records(Fetched),
    /// Every record that stood on the topic was passed on. Sent once.
    AtEnd,
}

/// The place at which a follower begins.
#[derive(Debug, Clone)]
pub enum Begin {
    /// The first record of every partition.
    Beginning,
    /// The end of every partition.
    End,
    /// These partitions and offsets.
    Offsets(Vec<(u16, Offset)>),
}

/// A thread that follows one topic. Dropping it stops the thread and waits for it: whatever `take` waits for must come to
/// an end first, such as by the end of its receiver.
pub struct Follower {
    thread: Option<JoinHandle<Result<(), LogError>>>,
    ended: Arc<AtomicBool>,
}

impl Follower {
    /// Follows `topic` from there on, until `take` breaks off, the log fails or [`Follower::end`] is called.
    /// `take` runs on the follower's thread. It may block, which delays further reads.
    pub fn start(
        log: SharedLog,
        topic: Topic,
        from: Begin,
        take: impl FnMut(Followed) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Self, LogError> {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name(format!("follow-{topic}"))
            .spawn(move || follow(&*log, topic, from, take, &told))
            .map_err(|error| LogError::caused(format!("cannot start a thread that reads {topic}"), error))?;
        Ok(Self { thread: Some(thread), ended })
    }

    /// Returns `true` if the thread has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the thread and waits for it. Returns the error that had ended it before, if any.
    pub fn end(&mut self) -> Result<(), LogError> {
        self.ended.store(true, Ordering::Relaxed);
        let panicked = |_| LogError::storage("a reader has panicked; this is a bug in clade".to_owned());
        self.thread.take().map_or(Ok(Ok(())), JoinHandle::join).map_err(panicked)?
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A caller that needs the result calls `end`.
        let _ = self.end();
    }
}

/// The numbers of a topic's partitions.
pub fn partitions(log: &dyn Log, topic: Topic) -> std::ops::Range<u16> {
    0..if topic.is_partitioned() { log.partitions() } else { 1 }
}

fn follow(
    log: &dyn Log,
    topic: Topic,
    from: Begin,
    mut take: impl FnMut(Followed) -> ControlFlow<()>,
    ended: &AtomicBool,
) -> Result<(), LogError> {
    let all = partitions(log, topic);
    let from = match from {
        Begin::Beginning => all.map(|partition| (partition, 0)).collect(),
        Begin::End => all
            .map(|partition| Ok((partition, log.end(TopicPartition { topic, partition })?)))
            .collect::<Result<Vec<_>, LogError>>()?,
        Begin::Offsets(offsets) => offsets,
    };
    let mut reader = log.reader(topic, &from)?;
    let mut was_at_end = false;
    while !ended.load(Ordering::Relaxed) {
        let fetched = reader.read(READ, LOOK)?;
        let at_end = fetched.at_end;
        if !fetched.records.is_empty() && take(Followed::Records(fetched)).is_break() {
            return Ok(());
        }
        if at_end && !std::mem::replace(&mut was_at_end, true) && take(Followed::AtEnd).is_break() {
            return Ok(());
        }
    }
    Ok(())
}
