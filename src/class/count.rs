//! Counts the images in a class.

use crate::record::State;

/// The number of images of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// All members.
    pub members: u64,
    /// Members that are not built on the current version.
    pub outdated: u64,
}

impl Count {
    /// Adds one image.
    pub fn add(&mut self, state: State) {
        self.add_many(state, 1);
    }

    /// Adds this many images in one state.
    pub fn add_many(&mut self, state: State, images: u64) {
        self.members += images;
        self.outdated += if state == State::Outdated { images } else { 0 };
    }

    /// Removes one image.
    pub fn remove(&mut self, state: State) {
        self.members = self.members.saturating_sub(1);
        self.outdated = self.outdated.saturating_sub(u64::from(state == State::Outdated));
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.members += other.members;
        self.outdated += other.outdated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_counts_once_and_as_outdated_only_if_it_is() {
        let mut count = Count::default();
        count.add(State::Outdated);
        count.add(State::Current);
        count.add_many(State::Outdated, 3);
        count.add_many(State::Current, 5);
        assert_eq!(count, Count { members: 10, outdated: 4 });
        count.remove(State::Outdated);
        count.remove(State::Current);
        assert_eq!(count, Count { members: 8, outdated: 3 });
        let mut sum = Count { members: 1, outdated: 1 };
        sum += count;
        assert_eq!(sum, Count { members: 9, outdated: 4 });
    }

    #[test]
    fn a_count_never_falls_below_nothing() {
        let mut count = Count::default();
        count.remove(State::Outdated);
        assert_eq!(count, Count::default());
    }
}
