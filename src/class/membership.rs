//! Computes the classes and states of an image from the version chains that it contains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Platform};
use crate::record::{Common, Membership, State};

/// One version chain that an image contains.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The class of the version.
    pub class: &'a str,
    /// The class's generation.
    pub generation: u64,
    /// The number of the version.
    pub version: u32,
    /// `true` if that is the class's current version.
    pub is_current: bool,
    /// The version's image with this chain.
    pub digest: Digest,
    /// The platform of that image.
    pub platform: &'a Platform,
    /// The number of layers in the chain.
    pub depth: u32,
}

/// The classification of an image without its digest: thousands of images share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Classification {
    /// The classes that the image is a member of, by name.
    pub classes: Common<Vec<Membership>>,
    /// For each group, the classes of the group that the image is a member of, nearest first.
    pub groups: Common<BTreeMap<String, Vec<String>>>,
}

impl Classification {
    /// The membership in the class of this name.
    pub fn of_class(&self, name: &str) -> Option<&Membership> {
        self.classes
            .binary_search_by(|member| member.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.classes[at])
    }
}

/// The memberships of an image on `platform` that contains these version chains, by class name.
///
/// In each class the deepest chain is the base that the image was built on. Where several versions of the class end
/// there, they have the same content: the current one counts, else the latest, and of that the image for the closest
/// platform.
pub fn memberships<'a>(
    candidates: impl IntoIterator<Item = Candidate<'a>>,
    platform: &Platform,
) -> Vec<Membership> {
    let mut deepest: BTreeMap<&str, Candidate<'_>> = BTreeMap::new();
    let rank = |of: &Candidate<'_>| (of.depth, of.is_current, of.version, of.platform.closeness(platform));
    for candidate in candidates {
        deepest
            .entry(candidate.class)
            .and_modify(|best| {
                if rank(&candidate) > rank(best) {
                    *best = candidate;
                }
            })
            .or_insert(candidate);
    }
    let nearest = deepest.values().map(|best| best.depth).max();
    deepest
        .into_values()
        .map(|best| Membership {
            name: best.class.to_owned(),
            generation: best.generation,
            state: if best.is_current { State::Current } else { State::Outdated },
            version: best.digest,
            depth: best.depth,
            nearest: Some(best.depth) == nearest,
        })
        .collect()
}
