//! Encodes records that follow one another in a partition as one block, and reads them.
//!
//! ```text
//! format: u8 = 3 │ checksum: u32 │ compression: u8 │ count: u32 │ span: u32 │ length: u32 │ records, compressed or not
//! ```
//! and a record is
//! ```text
//! gap: u32 │ the record, as in entry.rs
//! ```
//! Numbers are little-endian. A block stands at the offset of its first record. `span` is the distance to the offset of its
//! last one, `gap` that to the offset of the record before, 0 for the first. `length` is the number of bytes of the records
//! before they are compressed. The checksum covers what follows it and the place: topic, partition and offset.
//!
//! The formats 1 and 2 are single records, as frame.rs has them. They read as a block of one record.

use super::entry::{self, Entry, number};
use super::frame::{self, Place, checksum};
use crate::compress::{Packer, Unpacker};
use crate::log::Offset;

const FORMAT: u8 = 3;
/// The bytes before those that the checksum covers.
const HEAD: usize = 5;
/// The bytes before the records.
const LEAD: usize = HEAD + 13;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Records that take less than this stay as they are: compression would gain a few bytes, and cost as much as the append.
const SMALL: usize = 512;
/// The bytes of the records of a block, at most: the largest record with its key twice, since `ce_subject` repeats it, and
/// room for its other headers. A block that says it has more is damaged, and nothing is reserved for it.
pub(super) const LONGEST: usize = 4 << 20;

/// What a block says about its records.
pub(super) struct Content<'a> {
    /// The number of records.
    pub(super) count: u32,
    /// The distance from the first offset to the last.
    pub(super) span: u32,
    /// The records.
    pub(super) records: &'a [u8],
}

/// The block as bytes.
pub(super) fn seal(
    place: Place,
    content: &Content<'_>,
    packer: &mut Packer,
) -> Result<Vec<u8>, &'static str> {
    let Content { count, span, records } = content;
    let length = u32::try_from(records.len()).ok().filter(|_| records.len() <= LONGEST);
    let length = length.ok_or("its headers are too large")?;
    let packed = match records.len() {
        0..SMALL => None,
        _ => packer.pack(records).ok().filter(|packed| packed.len() < records.len()),
    };
    let (compression, payload) = packed.as_deref().map_or((PLAIN, *records), |packed| (ZSTD, packed));
    let mut bytes = Vec::with_capacity(LEAD + payload.len());
    bytes.extend_from_slice(&[FORMAT, 0, 0, 0, 0, compression]);
    for value in [*count, *span, length] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(payload);
    put_checksum(place, &mut bytes);
    Ok(bytes)
}

/// Gives a block the checksum of what it has.
pub fn put_checksum(place: Place, bytes: &mut [u8]) {
    if let Some((head, content)) = bytes.split_at_mut_checked(HEAD) {
        head[1..].copy_from_slice(&checksum(place, content).to_le_bytes());
    }
}

/// Opens blocks, one after another, with the same memory. A block that is opened twice in a row is unpacked once.
#[derive(Default)]
pub struct Opener {
    unpacker: Unpacker,
    unpacked: Vec<u8>,
    /// The place and the head of the block in `unpacked`: the head has the checksum of the whole.
    holds: Option<(Place, [u8; LEAD])>,
}

/// An open block. It has one record at least.
#[derive(Debug)]
pub struct Block<'a> {
    /// The offset of the first record.
    pub first: Offset,
    /// The offset of the last record.
    pub last: Offset,
    /// The number of records.
    pub count: u32,
    /// `true` if a change of its content would be noticed: records of format 1 have no checksum.
    pub has_checksum: bool,
    /// A frame has no gap before its record.
    has_gaps: bool,
    records: &'a [u8],
}

impl Opener {
    /// Opens the block or the frame in these bytes; or says why it is not what was written to this place.
    pub fn open<'a>(&'a mut self, place: Place, bytes: &'a [u8]) -> Result<Block<'a>, &'static str> {
        let (.., first) = place;
        let mut rest = bytes;
        if number(&mut rest)? != [FORMAT] {
            let (has_checksum, records) = frame::open(place, bytes)?;
            return Ok(Block { first, last: first, count: 1, has_checksum, has_gaps: false, records });
        }
        let written = u32::from_le_bytes(number(&mut rest)?);
        if checksum(place, rest) != written {
            return Err("its checksum is another");
        }
        let [compression] = number(&mut rest)?;
        let mut next = || Ok::<_, &'static str>(u32::from_le_bytes(number(&mut rest)?));
        let (count, span, length) = (next()?, next()?, next()? as usize);
        let last = first.checked_add(u64::from(span)).ok_or("its offsets are beyond all numbers")?;
        if count == 0 || length > LONGEST {
            return Err("it says of itself what cannot be");
        }
        let records = match compression {
            PLAIN => rest,
            ZSTD => {
                let lead = bytes.first_chunk::<LEAD>().map(|lead| (place, *lead));
                if self.holds.is_none() || self.holds != lead {
                    self.holds = None;
                    let unpacked = self.unpacker.unpack(rest, length, &mut self.unpacked);
                    unpacked.map_err(|_| "it cannot be unpacked")?;
                    self.holds = lead;
                }
                &self.unpacked
            }
            _ => return Err("it has a compression that this version of clade does not know"),
        };
        if records.len() != length {
            return Err("it has another length");
        }
        Ok(Block { first, last, count, has_checksum: true, has_gaps: true, records })
    }

    /// Returns `true` if it has unpacked the block at this place last.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.holds.is_some_and(|(of, _)| of == place)
    }

    /// The bytes of memory that it keeps for records.
    pub(super) fn bytes(&self) -> usize {
        self.unpacked.capacity()
    }
}

impl<'a> Block<'a> {
    /// The records with their offsets, in order. It ends with an error if they are not what the block says of them.
    pub fn entries(&self) -> Entries<'a> {
        let Self { first, last, count, has_gaps, records, .. } = *self;
        Entries { before: first, is_first: true, last, left: count, has_gaps, rest: records }
    }

    /// Returns `true` if this is a single record of an older format.
    pub(super) fn is_frame(&self) -> bool {
        !self.has_gaps
    }

    /// The number of the bytes of all records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}

/// The records of a block.
pub struct Entries<'a> {
    before: Offset,
    is_first: bool,
    last: Offset,
    /// The number of records to come; 0 after an error.
    left: u32,
    has_gaps: bool,
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(Offset, Entry<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let taken = self.take();
        if taken.is_err() {
            self.left = 0;
        }
        Some(taken)
    }
}

impl<'a> Entries<'a> {
    fn take(&mut self) -> Result<(Offset, Entry<'a>), &'static str> {
        let gap = if self.has_gaps { u32::from_le_bytes(number(&mut self.rest)?) } else { 0 };
        if self.is_first != (gap == 0) {
            return Err("its offsets are out of order");
        }
        let offset = self.before.checked_add(u64::from(gap)).ok_or("its offsets are beyond all numbers")?;
        let entry = entry::take(&mut self.rest)?;
        if self.left == 0 && (offset != self.last || !self.rest.is_empty()) || offset > self.last {
            return Err("it does not end where it says");
        }
        (self.before, self.is_first) = (offset, false);
        Ok((offset, entry))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::record::Record;

    /// A block that is not compressed, of a record at the offset 3 and a tombstone at 5, and one that is compressed, of a record at
    /// 3. Every later version has to read them.
    const PLAIN_BLOCK: &[u8] = b"\x03\xf3\xde\x82W\0\x02\0\0\0\x02\0\0\0D\0\0\0\0\0\0\0\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01\x02\0\0\0{}\x01\0\x05\0\0\0ce_id\x01\0\0\x007\x02\0\0\0\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\0\0\0\0\0\0\0";
    const ZSTD_BLOCK: &[u8] = b"\x03\xaf\xd3@\xc0\x01\x01\0\0\0\0\0\0\0r\x02\0\0(\xb5/\xfd`r\x01\xc0\0\0\0\0\0\0\xe8\x03\0\0\0\0\0\0\x03\0\0\0key\x01X\x02\0\0\xc2\x12\0x\x11\0\0\0\0";
    /// The place of the blocks.
    const PLACE: Place = (1, 2, 3);

    fn record(value: Option<&[u8]>) -> Record {
        Record {
            key: "key".to_owned(),
            value: value.map(<[u8]>::to_vec),
            headers: vec![("ce_id".into(), "7".into())],
        }
    }

    /// A block of records at the offsets 3, 4 and 10.
    fn sealed(record: &Record) -> Vec<u8> {
        let mut records = Vec::new();
        for gap in [0_u32, 1, 6] {
            records.extend_from_slice(&gap.to_le_bytes());
            entry::put(&mut records, 1000, record);
        }
        seal(PLACE, &Content { count: 3, span: 7, records: &records }, &mut Packer::default()).unwrap()
    }

    fn opened(place: Place, bytes: &[u8]) -> Result<Vec<(Offset, i64, Record)>, &'static str> {
        let mut opener = Opener::default();
        let block = opener.open(place, bytes)?;
        let read = |entry: Result<(Offset, Entry<'_>), _>| {
            let (offset, entry) = entry?;
            Ok((offset, entry.timestamp, entry.record()?))
        };
        block.entries().map(read).collect()
    }

    fn expected(record: &Record) -> Vec<(Offset, i64, Record)> {
        [3, 4, 10].map(|offset| (offset, 1000, record.clone())).to_vec()
    }

    #[test]
    fn blocks_of_this_format_stay_readable() {
        let (first, tombstone) = (record(Some(b"{}")), Record { headers: Vec::new(), ..record(None) });
        assert_eq!(opened(PLACE, PLAIN_BLOCK), Ok(vec![(3, 1000, first), (5, 1000, tombstone)]));
        let large = Record { headers: Vec::new(), ..record(Some(&[b'x'; 600])) };
        assert_eq!(opened(PLACE, ZSTD_BLOCK), Ok(vec![(3, 1000, large)]));
    }

    #[test]
    fn a_block_at_the_place_of_another_is_an_error() {
        let bytes = sealed(&record(None));
        assert_eq!(opened(PLACE, &bytes), Ok(expected(&record(None))));
        for place in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_eq!(opened(place, &bytes), Err("its checksum is another"));
        }
    }

    #[test]
    fn a_block_that_is_opened_again_is_read_as_it_is_now() {
        let [one, two] = [b'x', b'y'].map(|byte| record(Some(&[byte; 1_000])));
        let (first, second) = (sealed(&one), sealed(&two));
        let mut opener = Opener::default();
        let mut read = |bytes: &[u8]| {
            let block = opener.open(PLACE, bytes)?;
            block.entries().map(|entry| entry?.1.record()).collect::<Result<Vec<_>, _>>()
        };
        for (bytes, record) in [(&first, &one), (&first, &one), (&second, &two), (&first, &one)] {
            assert_eq!(read(bytes), Ok(vec![record.clone(); 3]));
        }
        let mut damaged = first.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(read(&damaged), Err("its checksum is another"));
        assert_eq!(read(&first), Ok(vec![one; 3]));
    }

    #[test]
    fn a_bit_that_flips_anywhere_and_a_block_cut_off_anywhere_are_errors() {
        for value in [&b"{}"[..], &[b'x'; 1_000]] {
            let bytes = sealed(&record(Some(value)));
            assert_eq!(opened(PLACE, &bytes), Ok(expected(&record(Some(value)))));
            assert_eq!(bytes[HEAD], if value.len() > 2 { ZSTD } else { PLAIN });
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(opened(PLACE, &changed).is_err(), "{bit}");
            }
            for len in 0..bytes.len() {
                assert!(opened(PLACE, &bytes[..len]).is_err(), "{len}");
            }
        }
    }

    /// The block with another number in its head, and the checksum of that.
    fn lying(bytes: &[u8], at: usize, number: u32) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        put_checksum(PLACE, &mut bytes);
        bytes
    }

    #[test]
    fn a_head_that_lies_is_an_error_and_nothing_is_reserved_for_it() {
        const COUNT: usize = HEAD + 1;
        for value in [&b"{}"[..], &[b'x'; 1_000]] {
            let bytes = sealed(&record(Some(value)));
            for (at, is) in [(COUNT, 3), (COUNT + 4, 7)] {
                assert_eq!(lying(&bytes, at, is), bytes);
                for number in [0, 1, is - 1, is + 1, u32::MAX] {
                    assert!(opened(PLACE, &lying(&bytes, at, number)).is_err(), "{at} {number}");
                }
            }
            for length in [0, 1, 100, u32::MAX] {
                assert!(opened(PLACE, &lying(&bytes, COUNT + 8, length)).is_err(), "{length}");
            }
            let mut opener = Opener::default();
            assert!(opener.open(PLACE, &lying(&bytes, COUNT + 8, u32::MAX)).is_err());
            assert_eq!(opener.unpacked.capacity(), 0);
        }
    }

    #[test]
    fn what_is_too_large_for_a_block_is_not_written() {
        let records = vec![0; LONGEST + 1];
        let content = Content { count: 1, span: 0, records: &records };
        assert!(seal(PLACE, &content, &mut Packer::default()).is_err());
    }
}
