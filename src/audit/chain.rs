//! Encodes the lines of a trail and binds each to the one before it.
//!
//! A line is compact JSON in UTF-8 and a line feed. Its last member is `hash`: the SHA-256 of the line without that member
//! and without the line feed, so that
//!
//! ```sh
//! sed -n 7p audit-00000000000000000001.jsonl | sed 's/,"hash":"[^"]*"}$/}/' | tr -d '\n' | sha256sum
//! ```
//!
//! prints it. The member before it is `prev`: the hash of the previous line, in whichever segment that is, and 64 zeros
//! in the first line of the trail. Readers hash the bytes themselves and never encode a line again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Facts, millis};
use crate::oci::{Digest, Timestamp};
use crate::record::Topic;

/// The version of the format, in each header.
pub const FORMAT: u32 = 1;
/// The `prev` of the first line of the trail.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub audit: u32,
    /// The number of the segment's first entry.
    pub segment: u64,
    /// The time at which the segment was begun.
    #[serde(serialize_with = "millis")]
    pub opened: Timestamp,
    /// The progress in each partition before the segment.
    pub offsets: Vec<SourceOffset>,
    /// The state before the segment, for the `from` of the entries that follow: class, group, rebuild or target by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, Facts>,
    /// The hash of the last line of the previous segment.
    pub prev: Digest,
}

/// The last line of a segment that is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    /// The time at which the segment was closed.
    #[serde(serialize_with = "millis")]
    pub closed: Timestamp,
    /// The number of entries in the segment.
    pub entries: u64,
    /// The number of its last entry.
    pub last: u64,
    /// The progress in each partition.
    pub offsets: Vec<SourceOffset>,
    /// The hash of the previous line.
    pub prev: Digest,
}

/// The last record of a partition that has an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceOffset {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u16,
    /// The offset of that record.
    pub last: u64,
    /// The time at which the record was appended. It distinguishes the record from one with the same offset in a topic
    /// that was created again.
    #[serde(serialize_with = "millis")]
    pub time: Timestamp,
}

/// The kinds of lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The first line of a segment.
    Header(Header),
    /// An entry.
    Entry(Box<Entry>),
    /// The last line of a segment.
    Footer(Footer),
}

/// A line as read, with its hashes.
#[derive(Debug)]
pub struct Sealed {
    /// The content.
    pub line: Line,
    /// The hash that the line states.
    pub claimed: Digest,
    /// The hash of the bytes.
    pub actual: Digest,
}

const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const HASH_TEXT: usize = 71;
/// `,"hash":"sha256:…"}`
const SUFFIX: usize = BEFORE_HASH.len() + HASH_TEXT + 2;

/// Appends the line of `content` to `out`, and returns its hash.
pub fn seal(content: &impl Serialize, out: &mut Vec<u8>) -> Result<Digest, serde_json::Error> {
    let begin = out.len();
    serde_json::to_writer(&mut *out, content)?;
    let hash = Digest::of(&out[begin..]);
    out.pop();
    out.extend_from_slice(BEFORE_HASH);
    out.extend_from_slice(&hash.text());
    out.extend_from_slice(b"\"}\n");
    Ok(hash)
}

/// Parses a line without its line feed. The caller compares the stated hash with the actual one.
pub fn open(bytes: &[u8]) -> Result<Sealed, String> {
    let at = bytes.len().checked_sub(SUFFIX).ok_or("it is too short")?;
    let (content, suffix) = bytes.split_at(at);
    let hash = suffix.strip_prefix(BEFORE_HASH).and_then(|rest| rest.strip_suffix(b"\"}"));
    let claimed: Digest = hash
        .and_then(|hash| std::str::from_utf8(hash).ok())
        .and_then(|hash| hash.parse().ok())
        .ok_or("it does not end in a hash")?;
    let mut hashed = Vec::with_capacity(content.len() + 1);
    hashed.extend_from_slice(content);
    hashed.push(b'}');
    let line = if hashed.starts_with(b"{\"seq\":") {
        serde_json::from_slice(&hashed).map(|entry| Line::Entry(Box::new(entry)))
    } else if hashed.starts_with(b"{\"audit\":") {
        serde_json::from_slice(&hashed).map(Line::Header)
    } else {
        serde_json::from_slice(&hashed).map(Line::Footer)
    };
    let line = line.map_err(|error| format!("it cannot be read: {error}"))?;
    if let Line::Header(header) = &line
        && header.audit > FORMAT
    {
        let found = header.audit;
        return Err(format!("it is of format {found}, and this clade reads up to {FORMAT}: upgrade it"));
    }
    Ok(Sealed { line, claimed, actual: Digest::of(&hashed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Vec<u8> {
        let mut out = Vec::new();
        let entry = Entry { seq: 1, ..Entry::new("image.left", Timestamp::UNIX_EPOCH) };
        seal(&entry, &mut out).unwrap();
        out
    }

    #[test]
    fn the_hash_is_that_of_the_line_without_it() {
        let line = line();
        let text = std::str::from_utf8(&line).unwrap();
        let content = "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"what\":\"image.left\",\"prev\":\"sha256:\
                       0000000000000000000000000000000000000000000000000000000000000000\"}";
        let hash = Digest::of(content.as_bytes());
        assert_eq!(text, format!("{},\"hash\":\"{hash}\"}}\n", &content[..content.len() - 1]));
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_other_byte_goes_unnoticed() {
        let line = line();
        let line = &line[..line.len() - 1];
        let read = open(line).unwrap();
        assert_eq!(read.claimed, read.actual);
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut changed = line.to_vec();
                changed[at] ^= 1 << bit;
                let unnoticed = open(&changed).is_ok_and(|read| read.claimed == read.actual);
                assert!(!unnoticed, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_newer_format_is_told_by_its_number() {
        let mut out = Vec::new();
        let (opened, offsets) = (Timestamp::UNIX_EPOCH, Vec::new());
        let header = Header { audit: 2, segment: 1, opened, offsets, known: BTreeMap::new(), prev: GENESIS };
        seal(&header, &mut out).unwrap();
        assert!(open(&out[..out.len() - 1]).unwrap_err().contains("format 2"));
    }
}
