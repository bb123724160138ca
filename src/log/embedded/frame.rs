//! Encodes a record for the file and decodes it.
//!
//! ```text
//! format: u8 = 2 │ checksum: u32 │ timestamp: i64 │ key │ has value: u8 │ value │ headers: u16 │ (name │ value)…
//! ```
//! Numbers are little-endian; a text or value is its length as u32 and its bytes. The checksum covers what follows it and
//! the record's place: topic, partition and offset. So a record that stands at another place is noticed as well. Format 1
//! is the same without a checksum; it is read and not written any more.

use crate::checksum;
use crate::record::{Record, header};

const FORMAT: u8 = 2;
/// The format without a checksum. No single flipped bit makes it of the other one.
const FIRST_FORMAT: u8 = 1;
/// The bytes before those that the checksum covers.
const HEAD: usize = 5;

/// The place of a record: the number of its topic, its partition, its offset.
pub type Place = (u8, u16, u64);

/// The record as bytes; `timestamp` is in milliseconds since the Unix epoch.
pub fn encode(place: Place, timestamp: i64, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(
        64 + record.key.len()
            + record.value.as_ref().map_or(0, Vec::len)
            + record.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>(),
    );
    bytes.push(FORMAT);
    bytes.extend_from_slice(&[0; HEAD - 1]);
    bytes.extend_from_slice(&timestamp.to_le_bytes());
    put(&mut bytes, record.key.as_bytes());
    bytes.push(u8::from(record.value.is_some()));
    put(&mut bytes, record.value.as_deref().unwrap_or_default());
    let headers = u16::try_from(record.headers.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&headers.to_le_bytes());
    for (name, value) in record.headers.iter().take(usize::from(headers)) {
        put(&mut bytes, name.as_bytes());
        put(&mut bytes, value.as_bytes());
    }
    let checksum = checksum(place, &bytes[HEAD..]);
    bytes[1..HEAD].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    // Appends are bounded by MAX_RECORD_BYTES, which is far below.
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn checksum((topic, partition, offset): Place, content: &[u8]) -> u32 {
    checksum::of(&[&[topic], &partition.to_le_bytes(), &offset.to_le_bytes(), content])
}

/// When the record was appended, in milliseconds since the Unix epoch. The rest is checked and not read.
pub fn timestamp(place: Place, bytes: &[u8]) -> Result<i64, &'static str> {
    Ok(i64::from_le_bytes(take(&mut checked(place, bytes)?)?))
}

/// Returns `true` if these bytes have a checksum, which records of the first format have not.
pub fn has_checksum(bytes: &[u8]) -> bool {
    bytes.first() == Some(&FORMAT)
}

/// The record in these bytes and when it was appended; or why it is none.
pub fn decode(place: Place, bytes: &[u8]) -> Result<(i64, Record), &'static str> {
    let mut rest = checked(place, bytes)?;
    let timestamp = i64::from_le_bytes(take(&mut rest)?);
    let key = text(&mut rest)?;
    let [has_value] = take(&mut rest)?;
    let value = part(&mut rest)?.to_vec();
    let headers = u16::from_le_bytes(take(&mut rest)?);
    let headers = (0..headers)
        .map(|_| Ok(header(&text(&mut rest)?, &text(&mut rest)?)))
        .collect::<Result<_, &'static str>>()?;
    if !rest.is_empty() {
        return Err("more bytes follow it");
    }
    Ok((timestamp, Record { key, value: (has_value == 1).then_some(value), headers }))
}

/// The bytes after the head, if they are what was written to this place.
fn checked(place: Place, mut bytes: &[u8]) -> Result<&[u8], &'static str> {
    match take(&mut bytes)? {
        [FIRST_FORMAT] => Ok(bytes),
        [FORMAT] => {
            let written = u32::from_le_bytes(take(&mut bytes)?);
            (checksum(place, bytes) == written).then_some(bytes).ok_or("its checksum is another")
        }
        _ => Err("it has a format that this version of clade does not know"),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, left) = rest.split_first_chunk().ok_or("it is cut off")?;
    *rest = left;
    Ok(*taken)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (taken, left) = rest.split_at_checked(len).ok_or("it is cut off")?;
    *rest = left;
    Ok(taken)
}

fn text(rest: &mut &[u8]) -> Result<String, &'static str> {
    String::from_utf8(part(rest)?.to_vec()).map_err(|_| "a text in it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of each version. Every later version has to decode them.
    const FIRST: &[u8] =
        b"\x01\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007";
    const SECOND: &[u8] = b"\x02\xf3\x2b\x3d\x11\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007";
    /// The place of the frame of the second version.
    const PLACE: Place = (1, 2, 3);

    fn record() -> Record {
        Record {
            key: "key".to_owned(),
            value: Some(b"{}".to_vec()),
            headers: vec![("ce_id".into(), "7".into())],
        }
    }

    #[test]
    fn records_of_the_first_format_stay_readable() {
        assert_eq!(decode(PLACE, FIRST), Ok((1000, record())));
        assert_eq!(timestamp(PLACE, FIRST), Ok(1000));
        assert!(!has_checksum(FIRST));
    }

    #[test]
    fn records_of_the_second_format_stay_readable() {
        assert_eq!(decode(PLACE, SECOND), Ok((1000, record())));
        assert_eq!(timestamp(PLACE, SECOND), Ok(1000));
        assert_eq!(encode(PLACE, 1000, &record()), SECOND);
        assert!(has_checksum(SECOND));
    }

    #[test]
    fn a_tombstone_is_not_an_empty_value() {
        for value in [None, Some(Vec::new())] {
            let record = Record { value, ..record() };
            assert_eq!(decode(PLACE, &encode(PLACE, 1, &record)), Ok((1, record)));
        }
    }

    #[test]
    fn a_record_cut_off_anywhere_is_an_error() {
        for frame in [FIRST, SECOND] {
            for len in 0..frame.len() {
                assert!(decode(PLACE, &frame[..len]).is_err(), "{len}");
            }
        }
    }

    #[test]
    fn a_bit_that_flips_anywhere_is_an_error() {
        for bit in 0..SECOND.len() * 8 {
            let mut frame = SECOND.to_vec();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(PLACE, &frame).is_err(), "{bit}");
            assert!(timestamp(PLACE, &frame).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_record_at_the_place_of_another_is_an_error() {
        for place in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_eq!(decode(place, SECOND), Err("its checksum is another"));
            assert_eq!(timestamp(place, SECOND), Err("its checksum is another"));
        }
    }
}
