//! Files of the log and its snapshots.

use clade::log::embedded::frame;
use clade::shard::{Shard, ShardSnapshot};

use super::in_proportion;

/// Reads a record as it stands in the file of the embedded log.
pub(crate) fn frame(input: &[u8]) -> bool {
    let place = (1, 2, 3);
    let Ok((timestamp, record)) = frame::decode(place, input) else { return false };
    assert_eq!(frame::timestamp(place, input), Ok(timestamp));
    let bytes = frame::encode(place, timestamp, &record);
    in_proportion(input, bytes.len(), 1);
    assert_eq!(frame::decode(place, &bytes), Ok((timestamp, record)));
    true
}

/// Reads a shard as it stands in a snapshot, behind its checksum.
pub(crate) fn snapshot(input: &[u8]) -> bool {
    let Ok(snapshot) = rmp_serde::from_slice::<ShardSnapshot>(input) else { return false };
    let Ok(mut shard) = Shard::from_snapshot(snapshot) else { return false };
    shard.catch_up();
    let again = rmp_serde::to_vec_named(&shard.snapshot()).unwrap();
    let mut same = Shard::from_snapshot(rmp_serde::from_slice(&again).unwrap()).unwrap();
    same.settle();
    same.drain();
    assert_eq!(same.index().len(), shard.index().len());
    true
}
