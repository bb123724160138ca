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

/// The openers of blocks, the one that was used last at the end.
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
        if opener.bytes() <= LARGEST && openers.len() < MOST {
            openers.push_back((place, opener));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Place, Opener)>> {
        // What an opener has open it recognises by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_openers_are_kept_as_there_is_room_for_and_the_oldest_is_used_again() {
        let recent = Recent::default();
        for offset in 0..2 * MOST as u64 {
            let place = (1, 2, offset);
            let opener = recent.take(place);
            recent.put(place, opener);
        }
        let openers = recent.lock();
        let kept: Vec<u64> = openers.iter().map(|((.., offset), _)| *offset).collect();
        assert_eq!(kept, (MOST as u64..2 * MOST as u64).collect::<Vec<_>>());
    }
}
