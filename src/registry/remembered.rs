//! The facts about a registry that were published before the watcher started. A tag that has not moved since then costs one
//! request, as in each later pass.

use std::collections::{HashMap, HashSet};

use super::known::{Known, Platforms, Repository};
use crate::observe::Published;
use crate::oci::Digest;

/// The facts about a registry.
pub struct Remembered {
    /// The host with a slash, with which the full names of its repositories begin.
    prefix: String,
    platforms: Platforms,
    repositories: HashMap<String, Repository>,
}

impl Remembered {
    /// Knows nothing yet of the registry on this host.
    pub fn of(host: &str) -> Self {
        Self { prefix: format!("{host}/"), platforms: Platforms::default(), repositories: HashMap::default() }
    }

    /// Adds a fact, if it is about this registry.
    pub fn add(&mut self, fact: Published) {
        match fact {
            Published::Image { digest, platform, repositories } => {
                let platform = self.platforms.shared(&platform);
                for full_name in repositories {
                    if let Some(repository) = self.repository(&full_name) {
                        repository.manifests.insert(digest, Known::Image(platform.clone()));
                    }
                }
            }
            Published::Tag { repository, tag, digest, since, images } => {
                let Some(repository) = self.repository(&repository) else { return };
                repository.tags.insert(tag, (digest, since));
                // An index inside another one is left out: the images are those of the outer one.
                if let Some(images) = images.filter(|images| *images != [digest]) {
                    repository.manifests.insert(digest, Known::Index(images.into()));
                }
            }
        }
    }

    fn repository(&mut self, full_name: &str) -> Option<&mut Repository> {
        let name = full_name.strip_prefix(&self.prefix)?;
        if !self.repositories.contains_key(name) {
            self.repositories.insert(name.to_owned(), Repository::default());
        }
        self.repositories.get_mut(name)
    }

    /// Returns the facts. Documents of which a part is not known count as unknown, so that the watcher reads them.
    pub(super) fn into_parts(self) -> (Platforms, HashMap<String, Repository>) {
        let Self { platforms, mut repositories, .. } = self;
        repositories.values_mut().for_each(settle);
        (platforms, repositories)
    }
}

fn settle(repository: &mut Repository) {
    let is_whole = |known: &Known| match known {
        Known::Index(images) => {
            !images.is_empty() && images.iter().all(|image| repository.manifests.contains_key(image))
        }
        _ => true,
    };
    let lacking: Vec<Digest> = repository
        .manifests
        .iter()
        .filter(|(_, known)| !is_whole(known))
        .map(|(digest, _)| *digest)
        .collect();
    for digest in lacking {
        repository.manifests.remove(&digest);
    }
    // The images that no tag leads to stay as long as the first pass may need them: a claim names them, or their tags
    // were not published before the stop.
    let tagged: HashSet<Digest> = repository
        .tags
        .values()
        .filter_map(|(digest, _)| repository.images(digest))
        .flat_map(|images| images.into_iter().map(|image| image.digest))
        .collect();
    let untagged = repository.all_images().filter(|digest| !tagged.contains(digest));
    repository.claimed = untagged.collect();
}
