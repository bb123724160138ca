//! Encodes what a record says, and reads it where it lies.
//!
//! ```text
//! timestamp: i64 │ key │ has value: u8 │ value │ headers: u16 │ (name │ value)…
//! ```
//! Numbers are little-endian; a text or value is its length as u32 and its bytes.

use crate::record::{Record, header};

/// A record among the bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The time of the append, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The key.
    pub key: &'a str,
    /// The value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The record as it is encoded.
    pub bytes: &'a [u8],
    /// The number of the headers, and their bytes.
    headers: (u16, &'a [u8]),
}

impl Entry<'_> {
    /// A copy of the record.
    pub fn record(&self) -> Result<Record, &'static str> {
        let (many, mut rest) = self.headers;
        let headers = (0..many)
            .map(|_| Ok(header(text(&mut rest)?, text(&mut rest)?)))
            .collect::<Result<_, &'static str>>()?;
        Ok(Record { key: self.key.to_owned(), value: self.value.map(<[u8]>::to_vec), headers })
    }
}

/// The number of bytes that a record takes.
pub(super) fn len(record: &Record) -> usize {
    let headers = record.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum::<usize>();
    19 + record.bytes() + headers
}

/// Adds a record to the bytes; `timestamp` is in milliseconds since the Unix epoch.
pub(super) fn put(bytes: &mut Vec<u8>, timestamp: i64, record: &Record) {
    bytes.extend_from_slice(&timestamp.to_le_bytes());
    put_part(bytes, record.key.as_bytes());
    bytes.push(u8::from(record.value.is_some()));
    put_part(bytes, record.value.as_deref().unwrap_or_default());
    let headers = u16::try_from(record.headers.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&headers.to_le_bytes());
    for (name, value) in record.headers.iter().take(usize::from(headers)) {
        put_part(bytes, name.as_bytes());
        put_part(bytes, value.as_bytes());
    }
}

fn put_part(bytes: &mut Vec<u8>, part: &[u8]) {
    // Appends are bounded by MAX_RECORD_BYTES, which is far below.
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(part);
}

/// Takes the next record off the bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, &'static str> {
    let all = *rest;
    let timestamp = i64::from_le_bytes(number(rest)?);
    let key = text(rest)?;
    let [has_value] = number(rest)?;
    let value = part(rest)?;
    let many = u16::from_le_bytes(number(rest)?);
    let headers = *rest;
    for _ in 0..many {
        part(rest)?;
        part(rest)?;
    }
    let headers = (many, &headers[..headers.len() - rest.len()]);
    let bytes = &all[..all.len() - rest.len()];
    Ok(Entry { timestamp, key, value: (has_value == 1).then_some(value), bytes, headers })
}

/// Takes so many bytes, for a number.
pub(super) fn number<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, left) = rest.split_first_chunk().ok_or("it is cut off")?;
    *rest = left;
    Ok(*taken)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let len = u32::from_le_bytes(number(rest)?) as usize;
    let (taken, left) = rest.split_at_checked(len).ok_or("it is cut off")?;
    *rest = left;
    Ok(taken)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, &'static str> {
    std::str::from_utf8(part(rest)?).map_err(|_| "a text in it is not UTF-8")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_out_as_it_went_in_and_leaves_what_follows() {
        let headers = vec![("ce_id".into(), "7".into()), ("empty".into(), "".into())];
        for value in [None, Some(Vec::new()), Some(b"{}".to_vec())] {
            let record = Record { key: "ein Schlüssel".to_owned(), value, headers: headers.clone() };
            let mut bytes = Vec::new();
            put(&mut bytes, -5, &record);
            let len = bytes.len();
            assert_eq!(len, super::len(&record));
            bytes.extend_from_slice(b"more");
            let mut rest = bytes.as_slice();
            let entry = take(&mut rest).unwrap();
            assert_eq!((entry.timestamp, entry.record().unwrap(), rest), (-5, record, &b"more"[..]));
            assert_eq!(entry.bytes, &bytes[..len]);
            for cut in 0..len {
                assert!(take(&mut &bytes[..cut]).is_err(), "{cut}");
            }
        }
    }
}
