//! Counts the usage of a class.

use std::collections::{BTreeMap, BTreeSet};

use super::Query;
use super::answer::{RepositoryUsage, Usage};
use super::reference::RefError;
use crate::record::State;

impl Query {
    /// Counts the images, tags, repositories and namespaces that use the class.
    pub fn usage(&self, class: &str) -> Result<Usage, RefError> {
        self.require_class(class)?;
        let mut repositories: BTreeMap<String, RepositoryUsage> = BTreeMap::new();
        let mut tags: BTreeSet<String> = BTreeSet::new();
        let (mut images, mut outdated) = (0, 0);
        for shard in self.shards() {
            for image in shard.members(class) {
                let is_outdated = image
                    .classification
                    .and_then(|of| of.of_class(class))
                    .is_some_and(|member| member.state == State::Outdated);
                images += 1;
                outdated += u64::from(is_outdated);
                for name in image.repositories.iter() {
                    let usage = repositories.entry(name.clone()).or_default();
                    usage.images += 1;
                    usage.outdated += u64::from(is_outdated);
                }
                for tag in shard.tags_of(&image.digest) {
                    if tags.insert(tag.name.clone()) {
                        repositories.entry(tag.repository.clone()).or_default().tags += 1;
                    }
                }
            }
        }
        let namespaces: BTreeSet<String> = repositories
            .keys()
            .filter_map(|name| name.rsplit_once('/'))
            .map(|(of, _)| of.to_owned())
            .collect();
        Ok(Usage {
            class: class.to_owned(),
            images,
            outdated,
            tags: tags.len() as u64,
            repositories: repositories
                .into_iter()
                .map(|(name, usage)| RepositoryUsage { name, ..usage })
                .collect(),
            namespaces: namespaces.into_iter().collect(),
        })
    }
}
