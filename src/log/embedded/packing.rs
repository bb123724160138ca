//! Collects records of a partition into blocks.

use super::block::{Content, seal};
use super::entry;
use super::fault::Fault;
use super::frame::Place;
use super::tables::key;
use crate::compress::Packer;
use crate::log::{LogError, Offset, TopicPartition};
use crate::record::Record;

/// The bytes of a block as it stands in the file, at most, unless a single record is larger. redb gives a value of more than
/// 4 KiB a page of its own, whose size is a power of two: a little more than this, and the page would be half empty. The room
/// is for redb's own numbers on the page.
pub(super) const FITS: usize = (16 << 10) - 64;
/// The bytes of the records of a block before compression: about what fits, at first, and at least and at most. More makes a
/// block hardly smaller, and a single record dearer to read.
const FIRST: usize = 64 << 10;
const LEAST: usize = FITS;
const MOST: usize = 192 << 10;

/// The share of a page that a block is meant to fill, of 100. Blocks that follow one another differ by a few in 100.
const FILLED: usize = 93;

/// Records that are not in a block yet. They come in the order of their offsets.
pub(super) struct Packing {
    of: TopicPartition,
    /// Each record's offset, and where its bytes end.
    ends: Vec<(Offset, usize)>,
    bytes: Vec<u8>,
    /// The bytes of records that fill a block, by what the last full block took.
    enough: usize,
}

/// A block to write.
pub(super) struct Sealed {
    /// The place to write it at.
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
}

/// Takes blocks to write.
pub(super) type Put<'a> = &'a mut dyn FnMut(Sealed) -> Result<(), Fault>;

impl Packing {
    pub(super) fn of(of: TopicPartition) -> Self {
        Self { of, ends: Vec::new(), bytes: Vec::new(), enough: FIRST }
    }

    /// Drops what waits, and begins with another partition. It expects records that compress like those before.
    pub(super) fn turn_to(&mut self, of: TopicPartition) {
        self.of = of;
        self.ends.clear();
        self.bytes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns `true` if records of so many bytes would come into the same block as those that wait.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= self.enough
    }

    /// Adds a record, and gives `put` the block that is full before it.
    pub(super) fn push(
        &mut self,
        (offset, timestamp): (Offset, i64),
        record: &Record,
        packer: &mut Packer,
        put: Put<'_>,
    ) -> Result<(), Fault> {
        let mut bytes = Vec::with_capacity(entry::len(record));
        entry::put(&mut bytes, timestamp, record);
        self.push_encoded(offset, &bytes, packer, put)
    }

    /// The same for a record that is encoded.
    pub(super) fn push_encoded(
        &mut self,
        offset: Offset,
        record: &[u8],
        packer: &mut Packer,
        put: Put<'_>,
    ) -> Result<(), Fault> {
        while !self.takes(offset, record.len()) {
            let sealed = self.seal_first(packer)?;
            put(sealed)?;
        }
        self.bytes.extend_from_slice(&self.gap(offset).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.ends.push((offset, self.bytes.len()));
        Ok(())
    }

    /// Gives `put` all that waits.
    pub(super) fn finish(&mut self, packer: &mut Packer, put: Put<'_>) -> Result<(), Fault> {
        while !self.ends.is_empty() {
            let sealed = self.seal_first(packer)?;
            put(sealed)?;
        }
        Ok(())
    }

    fn takes(&self, offset: Offset, len: usize) -> bool {
        let Some((first, _)) = self.ends.first() else { return true };
        self.bytes.len() < self.enough
            && self.bytes.len() + len <= MOST
            && u32::try_from(offset.saturating_sub(*first)).is_ok()
    }

    fn gap(&self, offset: Offset) -> u32 {
        let before = self.ends.last().map_or(offset, |(before, _)| *before);
        u32::try_from(offset.saturating_sub(before)).unwrap_or(u32::MAX)
    }

    /// Makes a block of what waits, or of as much of it as fits.
    fn seal_first(&mut self, packer: &mut Packer) -> Result<Sealed, Fault> {
        let mut many = self.ends.len();
        loop {
            let (Some((first, _)), Some((last, end))) = (self.ends.first(), self.ends.get(many - 1)) else {
                return Err(Fault::Log(LogError::storage("a block of no records")));
            };
            let (first, last, end) = (*first, *last, *end);
            let count = u32::try_from(many).unwrap_or(u32::MAX);
            let span = u32::try_from(last.saturating_sub(first)).unwrap_or(u32::MAX);
            let place = key(self.of, first);
            let bytes = seal(place, &Content { count, span, records: &self.bytes[..end] }, packer).map_err(
                |problem| {
                    Fault::Log(LogError::storage(format!(
                        "the record {}@{first} cannot be written: {problem}",
                        self.of
                    )))
                },
            )?;
            let fit = end * FITS * FILLED / 100 / bytes.len();
            if end >= LEAST {
                self.enough = fit.clamp(LEAST, MOST);
            }
            if bytes.len() <= FITS || many == 1 {
                self.drop_first(many, end);
                return Ok(Sealed { place, bytes });
            }
            let fewer = self.ends.partition_point(|(_, end)| *end <= fit);
            many = fewer.clamp(1, many - 1);
        }
    }

    fn drop_first(&mut self, many: usize, end: usize) {
        self.ends.drain(..many);
        self.bytes.drain(..end);
        self.ends.iter_mut().for_each(|(_, later)| *later -= end);
        // The first record of a block has no gap before it.
        if let Some(gap) = self.bytes.first_chunk_mut::<4>() {
            *gap = [0; 4];
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::super::block::Opener;
    use super::*;
    use crate::record::Topic;

    const IMAGES: TopicPartition = TopicPartition { topic: Topic::Images, partition: 2 };

    fn record(random: &mut fastrand::Rng, len: usize) -> Record {
        let value = (0..len).map(|_| random.alphanumeric() as u8).collect();
        Record { key: random.u32(..).to_string(), value: Some(value), headers: Vec::new() }
    }

    /// The blocks of these records, opened again: the size of each in the file, and all records.
    fn packed(records: &[(Offset, Record)]) -> (Vec<usize>, Vec<(Offset, Record)>) {
        let (mut packing, mut packer, mut opener) =
            (Packing::of(IMAGES), Packer::default(), Opener::default());
        let (mut sizes, mut found) = (Vec::new(), Vec::new());
        let mut put = |sealed: Sealed| {
            let block = opener.open(sealed.place, &sealed.bytes).unwrap();
            sizes.push(sealed.bytes.len());
            found.extend(block.entries().map(|entry| {
                let (offset, entry) = entry.unwrap();
                assert_eq!(entry.timestamp, 7);
                (offset, entry.record().unwrap())
            }));
            Ok(())
        };
        for (offset, record) in records {
            packing.push((*offset, 7), record, &mut packer, &mut put).unwrap();
        }
        packing.finish(&mut packer, &mut put).unwrap();
        assert!(packing.is_empty());
        (sizes, found)
    }

    #[test]
    fn records_of_all_sizes_come_out_in_order_and_every_block_fits_a_page() {
        for seed in 0..20 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut offset = 0;
            let records: Vec<(Offset, Record)> = (0..2_000)
                .map(|_| {
                    offset += random.u64(1..4);
                    let len = if random.u8(..) == 0 { random.usize(..40_000) } else { random.usize(..900) };
                    (offset, record(random, len))
                })
                .collect();
            let (sizes, found) = packed(&records);
            assert!(found == records, "seed {seed}");
            let large = sizes.iter().filter(|size| **size > FITS).count();
            let too_large = records.iter().filter(|(_, record)| record.bytes() > FITS).count();
            assert!(large <= too_large, "seed {seed}: {large} of {} blocks do not fit", sizes.len());
        }
    }

    #[test]
    fn blocks_of_records_that_are_alike_fill_their_pages() {
        let random = &mut fastrand::Rng::with_seed(1);
        let records: Vec<_> = (0..5_000).map(|offset| (offset, record(random, 300))).collect();
        let (mut sizes, _) = packed(&records);
        // The first shows how well the records can be compressed, and the last is what is left.
        sizes.pop();
        sizes.remove(0);
        assert!(sizes.iter().all(|size| *size * 100 > FITS * 85), "{sizes:?}");
    }

    #[test]
    fn a_gap_that_no_block_can_hold_begins_another_one() {
        let random = &mut fastrand::Rng::with_seed(1);
        let records = [0, 1, 1 << 33, (1 << 33) + 1].map(|offset| (offset, record(random, 10)));
        let (sizes, found) = packed(&records);
        assert!(sizes.len() == 2 && found == records, "{sizes:?}");
    }
}
