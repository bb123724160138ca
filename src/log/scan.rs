//! Reading a partition as it is now.

use super::{Log, LogError, ReadLimit, Stored, TopicPartition};

/// Large enough to be fast, small enough not to be noticed in memory.
const READ: ReadLimit = ReadLimit { records: 8_192, bytes: 16 << 20 };

/// Calls `visit` with every record that the partition has now, in order.
pub fn for_each(log: &dyn Log, from: TopicPartition, mut visit: impl FnMut(&Stored)) -> Result<(), LogError> {
    let end = log.end(from)?;
    let mut next = 0;
    while next < end {
        let fetched = log.read(from, next, READ)?;
        fetched.records.iter().for_each(&mut visit);
        if fetched.next <= next {
            break;
        }
        next = fetched.next;
    }
    Ok(())
}
