//! Reading a partition as it is now.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::{Log, LogError, Offset, ReadLimit, Stored, TopicPartition};
use crate::record::Topic;

/// Large enough to be fast, small enough not to be noticed in memory.
const READ: ReadLimit = ReadLimit { records: 8_192, bytes: 16 << 20 };
/// So long may nothing come while the end is not reached: far longer than a broker takes to start again.
const STALLED: Duration = Duration::from_secs(60);

/// Calls `visit` with every record that the partition has now, in order.
pub fn for_each(log: &dyn Log, of: TopicPartition, mut visit: impl FnMut(&Stored)) -> Result<(), LogError> {
    for_each_from(log, of, 0, |stored| {
        visit(stored);
        ControlFlow::Continue(())
    })
}

/// [`for_each`] of the records from an offset on, as long as `visit` goes on.
pub fn for_each_from(
    log: &dyn Log,
    of: TopicPartition,
    from: Offset,
    mut visit: impl FnMut(&Stored) -> ControlFlow<()>,
) -> Result<(), LogError> {
    for_each_of(log, of.topic, &[(of.partition, from)], |_, stored| visit(stored))
}

/// [`for_each`] of the records of these partitions, of each from the offset beside it on.
pub fn for_each_of(
    log: &dyn Log,
    topic: Topic,
    from: &[(u16, Offset)],
    mut visit: impl FnMut(u16, &Stored) -> ControlFlow<()>,
) -> Result<(), LogError> {
    let mut reader = log.reader(topic, from)?;
    let mut deadline = Instant::now() + STALLED;
    loop {
        let fetched = reader.read(READ, Duration::from_millis(500))?;
        let partition = fetched.partition;
        if fetched.records.iter().try_for_each(|stored| visit(partition, stored)).is_break() || fetched.at_end
        {
            return Ok(());
        }
        if !fetched.records.is_empty() {
            deadline = Instant::now() + STALLED;
        } else if Instant::now() >= deadline {
            let seconds = STALLED.as_secs();
            return Err(LogError::storage(format!(
                "{topic} could not be read to its end: nothing came for {seconds} s"
            )));
        }
    }
}
