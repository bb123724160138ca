//! The moves of a class since the version that an image is built on.

use super::Class;
use crate::oci::{Digest, Platform, Timestamp};

/// The moves of a class after a version, for one platform. A base that is pushed for one platform only leaves the images
/// of the others as far behind as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The time at which another image replaced that of the version, or, with `at_least`, the earliest time of which
    /// clade knows that one had.
    pub outdated_since: Timestamp,
    /// `true` if nobody knows the moment.
    pub at_least: bool,
    /// The time at which the platform's present image became current.
    pub since: Timestamp,
    /// The number of moves that gave the platform another image, or took it away.
    pub versions_behind: u32,
}

impl Class {
    /// The moves since the last version that has this image. `None` if no version has it, or nobody knows a time.
    pub fn replaced(&self, image: &Digest, platform: &Platform) -> Option<Replaced> {
        let built_on = self
            .versions()
            .filter(|version| version.images.iter().any(|of| of.digest == *image))
            .max_by_key(|version| version.age())?;
        let mut since = self.current()?.since;
        let mut last = built_on.image_for(platform);
        let mut later: Vec<_> = self.versions().filter(|version| version.age() > built_on.age()).collect();
        later.sort_unstable_by_key(|version| version.age());
        let (mut versions_behind, mut replaced) = (0, None);
        for version in later {
            let image = version.image_for(platform);
            if image == last {
                continue;
            }
            versions_behind += 1;
            if let Some(moved) = version.since {
                since = Some(moved);
                replaced.get_or_insert(moved);
            }
            last = image;
        }
        let since = since?;
        Some(Replaced {
            outdated_since: replaced.unwrap_or(since),
            // A version without a time may have ended long before the first one with a time began.
            at_least: built_on.since.is_none(),
            since,
            versions_behind,
        })
    }
}
