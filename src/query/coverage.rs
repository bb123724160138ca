//! Counts images by what is known of their beginnings.

use std::collections::{BTreeMap, HashMap};

use super::Query;
use super::answer::{ClaimedClass, CoverageItem, CoverageReport};
use crate::class::{Coverage, Covered};
use crate::declare::{Followed, followed};
use crate::record::{Claim, canonical_name};
use crate::shard::Shard;

/// The parts by which images are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CoverageBy {
    /// Repositories. An image counts in each of its own.
    Repository,
    /// Namespaces: the part of a repository's name before the last slash.
    Namespace,
}

impl Query {
    /// Counts all images, and those of each part if asked for.
    pub fn coverage(&self, by: Option<CoverageBy>) -> CoverageReport {
        let mut all = Covered::default();
        let mut parts: BTreeMap<String, Covered> = BTreeMap::new();
        let mut claimed: BTreeMap<String, u64> = BTreeMap::new();
        for shard in self.shards() {
            let Some(by) = by else {
                all.add_all(shard.covered());
                continue;
            };
            shard.each_coverage(|id, coverage| {
                all.add(coverage);
                let repositories = shard.repositories_of(id).iter();
                let mut names: Vec<&str> = match by {
                    CoverageBy::Repository => repositories.map(String::as_str).collect(),
                    CoverageBy::Namespace => {
                        repositories.map(|name| &name[..name.rfind('/').unwrap_or(0)]).collect()
                    }
                };
                names.sort_unstable();
                names.dedup();
                for name in names {
                    match parts.get_mut(name) {
                        Some(part) => part.add(coverage),
                        None => parts.entry(name.to_owned()).or_default().add(coverage),
                    }
                }
            });
        }
        self.shards().for_each(|shard| count_claims(shard, &mut claimed));
        CoverageReport {
            at: None,
            total: item(String::new(), all),
            parts: parts.into_iter().map(|(name, part)| item(name, part)).collect(),
            classes: claimed.into_iter().map(|(name, claimed)| ClaimedClass { name, claimed }).collect(),
        }
    }
}

fn item(name: String, of: Covered) -> CoverageItem {
    CoverageItem {
        name,
        images: Coverage::ALL.map(|coverage| of.of(coverage)).iter().sum(),
        member: of.member,
        known_base: of.known_base,
        claimed: of.claimed,
        unknown: of.unknown,
    }
}

/// Adds the images of a shard that claim the tag that a class follows, and are no members of that class.
fn count_claims(shard: &Shard, claimed: &mut BTreeMap<String, u64>) {
    let followers = followers(shard);
    // Many images claim the same base.
    let mut followed: HashMap<&Claim, &[&str]> = HashMap::new();
    for (claims, classification) in shard.claiming() {
        let by_claim = |claim| {
            let classes =
                || claimed_tag(claim).and_then(|tag| followers.get(&tag)).map_or(&[][..], Vec::as_slice);
            *followed.entry(claim).or_insert_with(classes)
        };
        let is_member = |class: &str| classification.is_some_and(|of| of.of_class(class).is_some());
        let mut classes: Vec<&str> = claims.iter().flat_map(by_claim).copied().collect();
        classes.sort_unstable();
        classes.dedup();
        for class in classes.into_iter().filter(|class| !is_member(class)) {
            match claimed.get_mut(class) {
                Some(count) => *count += 1,
                None => drop(claimed.insert(class.to_owned(), 1)),
            }
        }
    }
}

/// The classes by the tag that each follows, in its one spelling.
fn followers(shard: &Shard) -> HashMap<String, Vec<&str>> {
    let mut followers: HashMap<String, Vec<&str>> = HashMap::new();
    for class in shard.catalog().classes() {
        if let Ok(Followed::Tag(tag)) = followed(&class.record.from) {
            followers.entry(canonical_name(&tag)).or_default().push(&class.record.name);
        }
    }
    followers
}

/// The tag that a claim names, in its one spelling.
fn claimed_tag(claim: &Claim) -> Option<String> {
    claim.target().map(|(tag, _)| tag)
}
