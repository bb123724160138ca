//! Encodes the parts of a copy and decodes them.
//!
//! ```text
//! kind: u8 │ length: u32 │ checksum of kind and body: u32 │ body
//! ```
//! Numbers are little-endian. A begin, the extent of each partition before its records, the history, and an end; or a failure at any
//! place. A block is its offset and its bytes as it stands in the file, with the checksum that it was written with: so
//! nothing can change it on its way unnoticed. Format 2 has a frame of a single record in its place.

use super::super::extent::Extent;
use super::super::history::History;
use crate::checksum;
use crate::log::{LogError, Offset};

const FORMAT: u16 = 3;
/// The format of version 0.2.
const FRAMES: u16 = 2;
/// The bytes before the body.
const HEAD: usize = 9;
/// The length of a body, at most. A block is hardly longer than the largest record, which has 1 MiB.
const LONGEST: usize = 64 << 20;

const BEGIN: u8 = 1;
const PARTITION: u8 = 2;
const BLOCK: u8 = 3;
const END: u8 = 4;
const FAILED: u8 = 5;
const HISTORY: u8 = 6;

/// A part of a copy.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Part<'a> {
    /// The number of partitions of the log, and of all records that follow.
    Begin {
        partitions: u16,
        records: u64,
    },
    /// The number of a topic in the file, the partition, and its extent without the number of blocks. Its blocks follow.
    Partition {
        topic: u8,
        partition: u16,
        extent: Extent,
    },
    /// A block, or the frame of a record.
    Block {
        offset: Offset,
        bytes: &'a [u8],
    },
    /// The note on the log's history, if it has one that holds.
    History(History),
    End,
    /// The copy cannot be finished.
    Failed(String),
}

impl Part<'_> {
    /// The part as bytes.
    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Begin { partitions, records } => (
                BEGIN,
                [&FORMAT.to_le_bytes()[..], &partitions.to_le_bytes(), &records.to_le_bytes()].concat(),
            ),
            Self::Partition { topic, partition, extent: Extent { end, since, live, .. } } => {
                let numbers = [end.to_le_bytes(), since.to_le_bytes(), live.to_le_bytes()].concat();
                (PARTITION, [&[*topic][..], &partition.to_le_bytes(), &numbers].concat())
            }
            Self::Block { offset, bytes } => (BLOCK, [&offset.to_le_bytes()[..], bytes].concat()),
            Self::History(History { since, removed }) => {
                (HISTORY, [since.to_le_bytes(), removed.to_le_bytes()].concat())
            }
            Self::End => (END, Vec::new()),
            Self::Failed(problem) => (FAILED, problem.as_bytes().to_vec()),
        };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
        [&[kind][..], &length, &checksum::of(&[&[kind], &body]).to_le_bytes(), &body].concat()
    }
}

/// The first part of these bytes and its length; `None` if more bytes must come.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Part<'_>, usize)>, LogError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > LONGEST {
        return Err(strange());
    }
    let Some((body, _)) = rest.split_at_checked(length) else { return Ok(None) };
    if checksum::of(&[&[kind], body]) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(strange());
    }
    Ok(Some((part(kind, body).ok_or_else(strange)??, HEAD + length)))
}

fn part(kind: u8, mut body: &[u8]) -> Option<Result<Part<'_>, LogError>> {
    let part = match kind {
        BEGIN if !(FRAMES..=FORMAT).contains(&u16::from_le_bytes(take(&mut body)?)) => {
            return Some(Err(LogError::Incompatible(
                "the clade that sends the copy is of another version: use the same version for both"
                    .to_owned(),
            )));
        }
        BEGIN => Part::Begin {
            partitions: u16::from_le_bytes(take(&mut body)?),
            records: u64::from_le_bytes(take(&mut body)?),
        },
        PARTITION => {
            let [topic] = take(&mut body)?;
            let partition = u16::from_le_bytes(take(&mut body)?);
            let mut number = || Some(u64::from_le_bytes(take(&mut body)?));
            let extent = Extent { end: number()?, since: number()?, live: number()?, blocks: 0 };
            Part::Partition { topic, partition, extent }
        }
        BLOCK => {
            Part::Block { offset: u64::from_le_bytes(take(&mut body)?), bytes: std::mem::take(&mut body) }
        }
        HISTORY => Part::History(History {
            since: i64::from_le_bytes(take(&mut body)?),
            removed: u64::from_le_bytes(take(&mut body)?),
        }),
        END => Part::End,
        FAILED => Part::Failed(String::from_utf8_lossy(std::mem::take(&mut body)).into_owned()),
        _ => return None,
    };
    body.is_empty().then_some(Ok(part))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

/// The error of bytes that no clade has sent.
pub(super) fn strange() -> LogError {
    LogError::storage("what was received is no copy of a log, or was changed on its way: try again")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    fn all() -> Vec<Part<'static>> {
        let extent = Extent { end: 9, since: 4, live: 2, blocks: 0 };
        vec![
            Part::Begin { partitions: 3, records: 2 },
            Part::Partition { topic: 1, partition: 2, extent },
            Part::Block { offset: 7, bytes: b"block" },
            Part::Block { offset: 8, bytes: b"" },
            Part::History(History { since: 1_000, removed: 7 }),
            Part::End,
            Part::Failed("the disk is gone".to_owned()),
        ]
    }

    #[test]
    fn a_part_comes_out_as_it_went_in_and_needs_all_of_its_bytes() {
        for part in all() {
            let bytes = part.encode();
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).unwrap().is_none(), "{part:?} {cut}");
            }
            let followed = [&bytes[..], b"more"].concat();
            assert_eq!(decode(&followed).unwrap().unwrap(), (part, bytes.len()));
        }
    }

    #[test]
    fn a_bit_that_flips_on_the_way_is_noticed_or_makes_the_part_longer() {
        for part in all() {
            let bytes = part.encode();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!matches!(decode(&changed), Ok(Some(_))), "{part:?} {bit}");
            }
        }
    }
}
