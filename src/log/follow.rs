//! Following topics: a thread that reads one on and on, and hands what comes to a consumer.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Fetched, Log, LogError, Offset, ReadLimit, SharedLog, TopicPartition};
use crate::record::Topic;

/// Large enough to be fast; a consumer that takes some of these at a time holds some dozen megabytes.
const READ: ReadLimit = ReadLimit { records: 2_000, bytes: 4 << 20 };
/// The reader looks so often whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

/// Something that a follower hands on.
#[derive(Debug)]
pub enum Followed {
    /// Records of one partition.
    Records(Fetched),
    /// Everything that stood on the topic was handed on. Comes once.
    AtEnd,
}

/// A thread that follows one topic. Dropping it ends the thread and waits for it.
pub struct Follower {
    thread: Option<JoinHandle<Result<(), LogError>>>,
    ended: Arc<AtomicBool>,
}

impl Follower {
    /// Follows `topic` from these offsets on, until `take` breaks off, the log fails or [`Follower::end`] is called. `take` runs
    /// on the follower's thread and may block, which holds the reading up.
    pub fn start(
        log: SharedLog,
        topic: Topic,
        from: Vec<(u16, Offset)>,
        take: impl FnMut(Followed) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Self, LogError> {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name(format!("follow-{topic}"))
            .spawn(move || follow(&*log, topic, &from, take, &told))
            .map_err(|error| LogError::caused(format!("cannot start a thread that reads {topic}"), error))?;
        Ok(Self { thread: Some(thread), ended })
    }

    /// Whether the thread has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the thread, waits for it, and returns why it had ended if it had.
    pub fn end(&mut self) -> Result<(), LogError> {
        self.ended.store(true, Ordering::Relaxed);
        let panicked = |_| LogError::storage("a reader has panicked; this is a bug in clade".to_owned());
        self.thread.take().map_or(Ok(Ok(())), JoinHandle::join).map_err(panicked)?
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Whoever wants to know calls `end`.
        let _ = self.end();
    }
}

/// The partitions of a topic, each from its first record on.
pub fn from_beginning(log: &dyn Log, topic: Topic) -> Vec<(u16, Offset)> {
    partitions(log, topic).map(|partition| (partition, 0)).collect()
}

/// The partitions of a topic, each from its end on.
pub fn from_end(log: &dyn Log, topic: Topic) -> Result<Vec<(u16, Offset)>, LogError> {
    partitions(log, topic)
        .map(|partition| Ok((partition, log.end(TopicPartition { topic, partition })?)))
        .collect()
}

/// The numbers of a topic's partitions.
pub fn partitions(log: &dyn Log, topic: Topic) -> std::ops::Range<u16> {
    0..if topic.is_partitioned() { log.partitions() } else { 1 }
}

fn follow(
    log: &dyn Log,
    topic: Topic,
    from: &[(u16, Offset)],
    mut take: impl FnMut(Followed) -> ControlFlow<()>,
    ended: &AtomicBool,
) -> Result<(), LogError> {
    let mut reader = log.reader(topic, from)?;
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
