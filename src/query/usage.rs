//! Counts the usage of a class.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Query;
use super::answer::{RepositoryUsage, Usage};
use super::reference::RefError;
use crate::record::State;

impl Query {
    /// Counts the images, repositories and namespaces that use the class, and the tags as well if they are asked for: each of them
    /// is looked at.
    pub fn usage(&self, class: &str, with_tags: bool) -> Result<Usage, RefError> {
        self.require_class(class)?;
        let mut repositories: HashMap<&str, RepositoryUsage> = HashMap::new();
        // A tag may lead to several images, and while it moves two partitions may have it.
        let mut tags: HashSet<&str> = HashSet::new();
        let (mut images, mut outdated) = (0, 0);
        for shard in self.shards() {
            // Few distinct lists of repositories and classifications are those of many images.
            let mut members: HashMap<(&[String], bool), u64> = HashMap::new();
            for (kind, _) in shard.kinds() {
                let (Some(classification), _) = shard.of(kind) else { continue };
                let Some(member) = classification.of_class(class) else { continue };
                let is_outdated = member.state == State::Outdated;
                for (names, many) in shard.repositories_of_kind(kind) {
                    *members.entry((names, is_outdated)).or_default() += many;
                }
                if !with_tags {
                    continue;
                }
                for id in shard.of_kind(kind, None) {
                    for tag in shard.tags_of(shard.index().digest(id)) {
                        if tags.insert(&tag.name) {
                            *repositories.entry(&tag.repository).or_default().tags.get_or_insert_default() +=
                                1;
                        }
                    }
                }
            }
            for ((names, is_outdated), many) in members {
                images += many;
                outdated += many * u64::from(is_outdated);
                for name in names {
                    let usage = repositories.entry(name).or_default();
                    usage.images += many;
                    usage.outdated += many * u64::from(is_outdated);
                }
            }
        }
        let repositories: BTreeMap<&str, RepositoryUsage> = repositories.into_iter().collect();
        let namespaces: BTreeSet<&str> =
            repositories.keys().filter_map(|name| name.rsplit_once('/')).map(|(of, _)| of).collect();
        let running = self.running_counts().map(|mut counts| counts.remove(class).unwrap_or_default());
        Ok(Usage {
            at: None,
            class: class.to_owned(),
            images,
            outdated,
            tags: with_tags.then_some(tags.len() as u64),
            running: running.map(|count| count.all),
            running_outdated: running.map(|count| count.outdated),
            repositories: repositories
                .into_iter()
                .map(|(name, usage)| RepositoryUsage {
                    name: name.to_owned(),
                    tags: usage.tags.or(with_tags.then_some(0)),
                    ..usage
                })
                .collect(),
            namespaces: namespaces.into_iter().map(str::to_owned).collect(),
        })
    }
}
