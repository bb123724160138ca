//! Walks through the records of a partition.

use std::ops::{ControlFlow, Range};

use redb::ReadableTable;

use super::fault::Fault;
use super::tables::{Key, key, number};
use crate::log::{Offset, TopicPartition};

/// Calls `visit` with the place and the frame of every record in the range, in order, as long as it continues.
pub(super) fn walk(
    records: &impl ReadableTable<Key, &'static [u8]>,
    of: TopicPartition,
    range: Range<Offset>,
    mut visit: impl FnMut(Key, &[u8]) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let mut next = range.start;
    for entry in records.range(key(of, range.start)..key(of, range.end))? {
        let (at, frame) = entry?;
        let place @ (topic, partition, offset) = at.value();
        // A damaged page may lead to records that lie elsewhere or were read already.
        if (topic, partition) != (number(of.topic), of.partition) || offset < next || offset >= range.end {
            return Err(Fault::damaged(format_args!("the records of {of} from {next} on are out of order")));
        }
        next = offset + 1;
        if visit(place, frame.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The fault of a record.
pub(super) fn bad_record(of: TopicPartition, offset: Offset, problem: &str) -> Fault {
    Fault::damaged(format_args!("the record {of}@{offset} is not what was written ({problem})"))
}
