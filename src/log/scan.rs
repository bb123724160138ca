//! Reads the present content of a partition.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::{Log, LogError, Offset, ReadLimit, Stored, TopicPartition};
use crate::record::Topic;

/// Limit of a read: large enough to be fast, small enough not to matter in memory.
const READ: ReadLimit = ReadLimit { records: 8_192, bytes: 16 << 20 };
/// Time without a record before the end, after which a scan fails: far longer than a broker takes to restart.
const STALLED: Duration = Duration::from_secs(60);

/// Calls `visit` with every record that the partition has now, in order.
pub fn for_each(log: &dyn Log, of: TopicPartition, mut visit: impl FnMut(&Stored)) -> Result<(), LogError> {
    for_each_from(log, of, 0, |stored| {
        visit(stored);
        ControlFlow::Continue(())
    })
}

/// Does the same as [`for_each`] for the records from an offset on, as long as `visit` continues.
pub fn for_each_from(
    log: &dyn Log,
    of: TopicPartition,
    from: Offset,
    mut visit: impl FnMut(&Stored) -> ControlFlow<()>,
) -> Result<(), LogError> {
    for_each_of(log, of.topic, &[(of.partition, from)], |_, stored| visit(stored))
}

/// Does the same as [`for_each`] for the records of these partitions, each from the given offset on.
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
