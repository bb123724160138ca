//! Remembers which keys match a filter, as far as the subscriber has received them.
//!
//! A subscriber that keeps events by key would keep a key for ever that no longer matches. So the first such record of
//! a key is passed on too.

use std::collections::HashMap;

use crate::oci::Digest;

/// Half of a SHA-256 distinguishes keys, and bounds the memory of a key.
type Hash = [u8; 16];

/// The memory of one partition.
#[derive(Debug)]
pub(super) struct Members {
    /// `true` for each key that matched when the subscriber last received it.
    told: HashMap<Hash, bool>,
    /// `true` if keys without an entry may have matched: the subscription continues an earlier one.
    others_may_be_in: bool,
    most: usize,
}

impl Members {
    /// Returns an empty memory for at most `most` keys.
    pub(super) fn new(others_may_be_in: bool, most: usize) -> Self {
        Self { told: HashMap::new(), others_may_be_in, most }
    }

    /// Notes that the key matches and is passed on.
    pub(super) fn enter(&mut self, key: &str) {
        self.note(hash(key), true);
    }

    /// Notes that the key does not match. Returns `true` if the subscriber must be notified, since it matched or may
    /// have.
    pub(super) fn leave(&mut self, key: &str) -> bool {
        let hash = hash(key);
        let was_in = self.told.get(&hash).copied().unwrap_or(self.others_may_be_in);
        if self.others_may_be_in {
            self.note(hash, false);
        } else {
            self.told.remove(&hash);
        }
        was_in
    }

    /// Without room for more, everything is forgotten: a subscriber would rather be notified once too often.
    fn note(&mut self, hash: Hash, is_in: bool) {
        if self.told.len() >= self.most && !self.told.contains_key(&hash) {
            self.told = HashMap::new();
            self.others_may_be_in = true;
        }
        self.told.insert(hash, is_in);
    }
}

fn hash(key: &str) -> Hash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Digest::of(key.as_bytes()).as_bytes()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_in_leaves_once() {
        let mut members = Members::new(false, 10);
        assert!(!members.leave("a"));
        members.enter("a");
        assert!(members.leave("a") && !members.leave("a"));
    }

    #[test]
    fn who_goes_on_is_told_once_of_every_key_that_may_have_been_in() {
        let mut members = Members::new(true, 10);
        assert!(members.leave("a") && !members.leave("a") && members.leave("b"));
    }

    #[test]
    fn what_was_forgotten_for_want_of_room_is_told_of_once_too_often() {
        let mut members = Members::new(false, 2);
        ["a", "b", "c"].into_iter().for_each(|key| members.enter(key));
        assert!(members.leave("a") && members.leave("c") && members.leave("never"));
    }
}
