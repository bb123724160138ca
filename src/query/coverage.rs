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
            let followers = followers(shard);
            shard.each_coverage(|image, coverage| {
                all.add(coverage);
                let mut names: Vec<&str> = match by {
                    None => Vec::new(),
                    Some(CoverageBy::Repository) => image.repositories.iter().map(String::as_str).collect(),
                    Some(CoverageBy::Namespace) => {
                        let namespace = |name: &'_ String| name.rfind('/').unwrap_or(0);
                        image.repositories.iter().map(|name| &name[..namespace(name)]).collect()
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
                let is_member =
                    |class: &str| image.classification.is_some_and(|of| of.of_class(class).is_some());
                let mut classes: Vec<&str> = image
                    .claims
                    .iter()
                    .filter_map(claimed_tag)
                    .filter_map(|tag| followers.get(&tag))
                    .flatten()
                    .copied()
                    .collect();
                classes.sort_unstable();
                classes.dedup();
                for class in classes.into_iter().filter(|class| !is_member(class)) {
                    *claimed.entry(class.to_owned()).or_default() += 1;
                }
            });
        }
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
