//! Who is among what a filter asks for, as far as the subscriber was told.
//!
//! Whoever keeps what it was told by key would keep a key for ever that has left the filter. So the first record of such
//! a key that no longer matches is passed on too.

use std::collections::HashMap;

use crate::oci::Digest;

/// Half of a SHA-256 tells keys apart and bounds what a key takes.
type Hash = [u8; 16];

/// What is remembered of one partition.
#[derive(Debug)]
pub(super) struct Members {
    /// Whether each key was in when it was last told of.
    told: HashMap<Hash, bool>,
    /// Whether a key that nothing is remembered of may be in: the subscriber goes on from an earlier time.
    others_may_be_in: bool,
    most: usize,
}

impl Members {
    /// Nothing is remembered. At most `most` keys will be.
    pub(super) fn new(others_may_be_in: bool, most: usize) -> Self {
        Self { told: HashMap::new(), others_may_be_in, most }
    }

    /// The key is in, and the subscriber is told.
    pub(super) fn enter(&mut self, key: &str) {
        self.note(hash(key), true);
    }

    /// The key is not in. Whether the subscriber has to be told, since it was or may have been.
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

    /// When there is no room for more, everything is forgotten: the subscriber is told rather once too often.
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
