//! Keeps the blocks that were opened last for single records. Whoever asks for one record after another asks for neighbours
//! at times, as the publisher does for tags in the order of their names.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::block::Opener;
use super::frame::Place;

/// Blocks that are kept open, at most: each takes the memory of its records and of a decompressor, some 200 KiB.
const MOST: usize = 32;
/// Bytes of a block that is kept open, at most. Blocks of large records are rare, and would take megabytes each.
const LARGEST: usize = 256 << 10;

/// The openers of blocks, the one that was used last at the end, and those that hold nothing first.
#[derive(Default)]
pub(super) struct Recent(Mutex<VecDeque<(Place, Opener)>>);

impl Recent {
    /// The opener that has opened the block at this place, else another one. Nobody else has it until it is put back.
    pub(super) fn take(&self, place: Place) -> Opener {
        let mut openers = self.lock();
        let known = openers.iter().rposition(|(of, _)| *of == place);
        let oldest = (openers.len() >= MOST).then_some(0);
        known.or(oldest).and_then(|at| openers.remove(at)).map(|(_, opener)| opener).unwrap_or_default()
    }

    /// Puts an opener back that has opened the block at this place.
    pub(super) fn put(&self, place: Place, opener: Opener) {
        let mut openers = self.lock();
        if opener.bytes() > LARGEST || openers.len() >= MOST {
            return;
        }
        match opener.holds(place) {
            true => openers.push_back((place, opener)),
            // Of a block that is not compressed nothing was unpacked.
            false => openers.push_front((place, opener)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Place, Opener)>> {
        // What an opener has open it recognises by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::compress::Packer;
    use crate::log::embedded::block::{Content, seal};
    use crate::log::embedded::entry;
    use crate::record::Record;

    /// Opens a block at a place, which is compressed if it is large.
    fn open(recent: &Recent, place: Place, is_large: bool) {
        let value = vec![b'x'; if is_large { 1_000 } else { 10 }];
        let record = Record { key: "key".to_owned(), value: Some(value), headers: Vec::new() };
        let mut records = 0_u32.to_le_bytes().to_vec();
        entry::put(&mut records, 1_000, &record);
        let content = Content { count: 1, span: 0, records: &records };
        let bytes = seal(place, &content, &mut Packer::default()).unwrap();
        let mut opener = recent.take(place);
        opener.open(place, &bytes).unwrap();
        recent.put(place, opener);
    }

    #[test]
    fn the_blocks_that_were_unpacked_last_stay_whatever_else_is_read() {
        let recent = Recent::default();
        let most = MOST as u64;
        for offset in 0..2 * most {
            open(&recent, (1, 2, offset), true);
            open(&recent, (1, 3, offset), false);
        }
        let openers = recent.lock();
        let kept = openers.iter().filter(|(place, opener)| opener.holds(*place));
        let kept: Vec<u64> = kept.map(|((.., offset), _)| *offset).collect();
        assert!(openers.len() == MOST && kept.ends_with(&[2 * most - 2, 2 * most - 1]), "{kept:?}");
        assert!(kept.len() >= MOST - 1, "{kept:?}");
    }
}
