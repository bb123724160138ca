//! Reads single records, as files of the formats 1 and 2 have them and as copies of such files do.
//!
//! ```text
//! format: u8 = 2 │ checksum: u32 │ the record, as in entry.rs
//! ```
//! The checksum covers what follows it and the record's place: topic, partition and offset. So a record that stands at
//! another place is noticed as well. Format 1 is the same without a checksum.

use super::entry::number;
use crate::checksum;

const FORMAT: u8 = 2;
/// The format without a checksum. No single flipped bit makes it of the other one.
const FIRST_FORMAT: u8 = 1;

/// The place of a record or a block: the number of its topic, its partition, its offset.
pub type Place = (u8, u16, u64);

/// Returns `true` if the record in these bytes has a checksum, and its bytes behind that.
pub(super) fn open(place: Place, mut bytes: &[u8]) -> Result<(bool, &[u8]), &'static str> {
    match number(&mut bytes)? {
        [FIRST_FORMAT] => Ok((false, bytes)),
        [FORMAT] => {
            let written = u32::from_le_bytes(number(&mut bytes)?);
            let is_same = checksum(place, bytes) == written;
            is_same.then_some((true, bytes)).ok_or("its checksum is another")
        }
        _ => Err("it has a format that this version of clade does not know"),
    }
}

/// The checksum of what stands at a place.
pub(super) fn checksum((topic, partition, offset): Place, content: &[u8]) -> u32 {
    checksum::of(&[&[topic], &partition.to_le_bytes(), &offset.to_le_bytes(), content])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::block::Opener;
    use super::super::entry;
    use super::*;
    use crate::record::Record;

    /// A frame of each version. Every later version has to read them.
    const FIRST: &[u8] =
        b"\x01\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007";
    const SECOND: &[u8] = b"\x02\xf3\x2b\x3d\x11\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007";
    /// The place of the frame of the second version.
    const PLACE: Place = (1, 2, 3);

    /// The record as version 0.2 wrote it.
    pub(in super::super) fn encode(place: Place, timestamp: i64, record: &Record) -> Vec<u8> {
        let mut content = Vec::new();
        entry::put(&mut content, timestamp, record);
        [&[FORMAT][..], &checksum(place, &content).to_le_bytes(), &content].concat()
    }

    fn record() -> Record {
        Record {
            key: "key".to_owned(),
            value: Some(b"{}".to_vec()),
            headers: vec![("ce_id".into(), "7".into())],
        }
    }

    fn read(place: Place, bytes: &[u8]) -> Result<(i64, Record), &'static str> {
        let mut opener = Opener::default();
        let block = opener.open(place, bytes)?;
        let (offset, entry) = block.entries().next().ok_or("it has no record")??;
        assert_eq!((offset, block.last, block.count, block.entries().count()), (place.2, place.2, 1, 1));
        Ok((entry.timestamp, entry.record()?))
    }

    #[test]
    fn records_of_the_first_formats_stay_readable() {
        assert_eq!(read(PLACE, FIRST), Ok((1000, record())));
        assert_eq!(read(PLACE, SECOND), Ok((1000, record())));
        assert_eq!(encode(PLACE, 1000, &record()), SECOND);
        assert!(open(PLACE, FIRST).is_ok_and(|(has_checksum, _)| !has_checksum));
        assert!(open(PLACE, SECOND).is_ok_and(|(has_checksum, _)| has_checksum));
    }

    #[test]
    fn a_record_cut_off_anywhere_is_an_error() {
        for frame in [FIRST, SECOND] {
            for len in 0..frame.len() {
                assert!(read(PLACE, &frame[..len]).is_err(), "{len}");
            }
        }
    }

    #[test]
    fn a_bit_that_flips_anywhere_is_an_error() {
        for bit in 0..SECOND.len() * 8 {
            let mut frame = SECOND.to_vec();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(read(PLACE, &frame).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_record_at_the_place_of_another_is_an_error() {
        for place in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_eq!(read(place, SECOND), Err("its checksum is another"));
        }
    }
}
