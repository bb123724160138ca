//! Encodes a record for the file and decodes it.
//!
//! ```text
//! format: u8 = 1 │ timestamp: i64 │ key │ has value: u8 │ value │ headers: u16 │ (name │ value)…
//! ```
//! Numbers are little-endian; a text or value is its length as u32 and its bytes.

use crate::record::{Record, header};

const FORMAT: u8 = 1;

/// The record as bytes; `timestamp` is in milliseconds since the Unix epoch.
pub fn encode(timestamp: i64, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(
        64 + record.key.len()
            + record.value.as_ref().map_or(0, Vec::len)
            + record.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>(),
    );
    bytes.push(FORMAT);
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
    bytes
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    // Appends are bounded by MAX_RECORD_BYTES, which is far below.
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(part);
}

/// When the record was appended, without reading the rest of it. In milliseconds since the Unix epoch.
pub fn timestamp(mut bytes: &[u8]) -> Result<i64, &'static str> {
    if take(&mut bytes)? != [FORMAT] {
        return Err("it has a format that this version of clade does not know");
    }
    Ok(i64::from_le_bytes(take(&mut bytes)?))
}

/// The record in these bytes and when it was appended; or why it is none.
pub fn decode(bytes: &[u8]) -> Result<(i64, Record), &'static str> {
    let mut rest = bytes;
    if take(&mut rest)? != [FORMAT] {
        return Err("it has a format that this version of clade does not know");
    }
    let timestamp = i64::from_le_bytes(take(&mut rest)?);
    let key = text(&mut rest)?;
    let [has_value] = take(&mut rest)?;
    let value = part(&mut rest)?.to_vec();
    let headers = u16::from_le_bytes(take(&mut rest)?);
    let headers = (0..headers)
        .map(|_| Ok(header(&text(&mut rest)?, &text(&mut rest)?)))
        .collect::<Result<_, &'static str>>()?;
    Ok((timestamp, Record { key, value: (has_value == 1).then_some(value), headers }))
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

    /// A frame of the first version. Every later version has to decode it.
    const FIRST: &[u8] =
        b"\x01\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007";

    fn record() -> Record {
        Record {
            key: "key".to_owned(),
            value: Some(b"{}".to_vec()),
            headers: vec![("ce_id".into(), "7".into())],
        }
    }

    #[test]
    fn records_of_the_first_format_stay_readable() {
        assert_eq!(decode(FIRST), Ok((1000, record())));
        assert_eq!(encode(1000, &record()), FIRST);
    }

    #[test]
    fn a_tombstone_is_not_an_empty_value() {
        for value in [None, Some(Vec::new())] {
            let record = Record { value, ..record() };
            assert_eq!(decode(&encode(1, &record)), Ok((1, record)));
        }
    }

    #[test]
    fn a_record_cut_off_anywhere_is_an_error() {
        for len in 0..FIRST.len() {
            assert!(decode(&FIRST[..len]).is_err(), "{len}");
        }
    }
}
