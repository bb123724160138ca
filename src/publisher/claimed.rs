//! The digests that images claim as their base, by the tag that the claims name.

use std::collections::{BTreeSet, HashMap};

use crate::oci::Digest;
use crate::record::{Claim, canonical_name};

/// Digests that clade considers of one tag, at most: the claims of a tag are written by strangers.
const MOST_DIGESTS: usize = 1_000;

/// All claims that name a tag and a digest, of images that are there or were since the publisher began.
#[derive(Default)]
pub(super) struct Claimed(HashMap<String, BTreeSet<Digest>>);

impl Claimed {
    /// Adds the claims of an image. Returns the tags of which a digest is new.
    pub(super) fn add(&mut self, claims: &[Claim]) -> Vec<String> {
        let mut news = Vec::new();
        for (tag, digest) in claims.iter().filter_map(Claim::target) {
            let Some(digest) = digest else { continue };
            let digests = self.0.entry(tag.clone()).or_default();
            if digests.len() < MOST_DIGESTS && digests.insert(digest) {
                news.push(tag);
            }
        }
        news
    }

    /// The digests that claims name for this tag.
    pub(super) fn of(&self, tag: &str) -> impl Iterator<Item = Digest> {
        self.0.get(&canonical_name(tag)).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::image::Evidence;

    fn claim(name: &str, digest: &str) -> Claim {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Claim { evidence: Evidence::Annotation, name: given(name), digest: given(digest) }
    }

    #[test]
    fn a_claim_counts_under_each_spelling_of_its_name_and_only_with_a_digest() {
        let digest = Digest::of(b"old");
        let text = digest.to_string();
        let mut claimed = Claimed::default();
        assert_eq!(claimed.add(&[claim("docker.io/library/base:12", &text)]), ["base:12"]);
        assert!(claimed.add(&[claim("base:12", &text)]).is_empty());
        assert_eq!(claimed.add(&[claim(&format!("base@{text}"), "")]), ["base:latest"]);
        let nothing =
            [claim("base:12", ""), claim("", &text), claim("base:12", "twelve"), claim("B A", &text)];
        assert!(claimed.add(&nothing).is_empty());
        assert_eq!(claimed.of("index.docker.io/library/base:12").collect::<Vec<_>>(), [digest]);
        assert_eq!(claimed.of("base:13").count(), 0);
    }

    #[test]
    fn of_one_tag_a_bounded_number_of_digests_is_considered() {
        let mut claimed = Claimed::default();
        for number in 0..2_000_u32 {
            claimed.add(&[claim("base:12", &Digest::of(&number.to_be_bytes()).to_string())]);
        }
        assert_eq!(claimed.of("base:12").count(), MOST_DIGESTS);
    }
}
