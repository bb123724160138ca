//! Files of the log and its snapshots.

use clade::log::embedded::block::{Opener, put_checksum};
use clade::shard::Shard;
use clade::snapshot::decode;

/// Reads a block, or the frame of an older format, as it stands in the file of the embedded log.
pub(crate) fn block(input: &[u8]) -> bool {
    // With the right checksum: a change that it shows would never come to the rest of the decoder.
    let (place, mut bytes) = ((1, 2, 3), input.to_vec());
    if bytes.first() == Some(&3) {
        put_checksum(place, &mut bytes);
    }
    let mut opener = Opener::default();
    let Ok(block) = opener.open(place, &bytes) else { return false };
    let (mut offsets, mut records) = (Vec::new(), 0);
    for entry in block.entries() {
        let Ok((offset, entry)) = entry else { return false };
        let Ok(record) = entry.record() else { return false };
        offsets.push(offset);
        records += record.bytes();
    }
    assert_eq!(offsets.len(), block.count as usize);
    assert_eq!((offsets[0], offsets[offsets.len() - 1]), (3, block.last));
    assert!(offsets.is_sorted_by(|one, next| one < next), "{offsets:?}");
    // A block that is compressed has a bound of its own.
    assert!(records <= 4 << 20, "{} bytes became {records}", input.len());
    true
}

/// Reads a shard as it stands in a snapshot, behind its checksum.
pub(crate) fn snapshot(input: &[u8]) -> bool {
    let Ok(snapshot) = decode(input) else { return false };
    let Ok(mut shard) = Shard::from_snapshot(snapshot) else { return false };
    shard.catch_up();
    let again = rmp_serde::to_vec_named(&shard.snapshot()).unwrap();
    let mut same = Shard::from_snapshot(decode(&again).unwrap()).unwrap();
    same.settle();
    same.drain();
    assert_eq!(same.index().len(), shard.index().len());
    true
}
