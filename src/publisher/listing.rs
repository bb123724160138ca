//! Compares the complete listing of a live source with what was published. That finds the deletions that clade missed
//! while it was not running or not connected.

use std::collections::HashSet;

use super::flush::PENDING_IMAGES;
use super::{PublishError, Publisher, is_imported};
use crate::observe::{Listing, ObservedTag};
use crate::oci::{Digest, Reference};
use crate::record::TagItem;

impl Publisher {
    /// Removes images and tags that were published for the source and are not in the listing.
    pub(super) fn observe_listing(&mut self, source: &str, listing: &Listing) -> Result<(), PublishError> {
        match listing {
            Listing::Images(listed) => {
                let mut gone = self.images_of_source(source);
                gone.retain(|digest| !listed.contains(digest));
                self.observe_images_gone_from(source, gone)?;
            }
            Listing::Repositories(listed) => {
                let gone = |name: &str| {
                    name.rsplit_once(':').is_some_and(|(repository, _)| !listed.contains(repository))
                };
                for name in self.tags_of_source(source, "", gone) {
                    self.observe_tag_gone(source, &name)?;
                }
            }
            Listing::BuildConfigs(listed) => {
                let is_gone = |(key, of): (&String, &crate::record::BuildConfigRecord)| {
                    (of.source.as_deref() == Some(source) && !listed.contains(key)).then(|| key.clone())
                };
                let gone: Vec<String> = self.build_configs.iter().filter_map(is_gone).collect();
                gone.iter().for_each(|key| self.observe_build_config_gone(key));
            }
            Listing::Workloads { keys, namespaces } => {
                self.observe_listed_workloads(source, keys, namespaces.as_ref());
            }
            Listing::Classes(listed) => {
                let names = self.catalog.classes().map(|class| class.record.name.clone());
                let gone: Vec<String> = names.filter(|name| !listed.contains(name)).collect();
                gone.iter().try_for_each(|name| self.delete_class(name))?;
            }
            Listing::Groups(listed) => {
                let names = self.catalog.groups().map(|group| group.name.clone());
                let gone: Vec<String> = names.filter(|name| !listed.contains(name)).collect();
                gone.iter().try_for_each(|name| self.delete_group(name))?;
            }
            Listing::Policies(listed) => {
                let names = self.catalog.policies().map(|policy| policy.name.clone());
                let gone: Vec<String> = names.filter(|name| !listed.contains(name)).collect();
                gone.iter().try_for_each(|name| self.delete_policy(name))?;
            }
        }
        Ok(())
    }

    /// The images that are published, or about to be, as the source's.
    pub(super) fn images_of_source(&self, source: &str) -> Vec<Digest> {
        let pending = self.pending.images.iter().filter_map(|(digest, image)| {
            let is_its = image.as_ref()?.sources.iter().any(|of| of == source);
            is_its.then_some(digest)
        });
        let all: std::collections::BTreeSet<Digest> =
            self.places.images_of_source(source).chain(pending).copied().collect();
        all.into_iter().collect()
    }

    pub(super) fn observe_images_gone_from(
        &mut self,
        source: &str,
        gone: Vec<Digest>,
    ) -> Result<(), PublishError> {
        for digest in gone {
            self.observe_image_gone_from(source, digest)?;
            if self.pending.images.len() >= PENDING_IMAGES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// All tags of a repository. Those that were published as the source's and are not among them are gone.
    pub(super) fn observe_repository(
        &mut self,
        source: &str,
        repository: &str,
        tags: Vec<ObservedTag>,
    ) -> Result<(), PublishError> {
        let (_, gone) = self.observe_listed_tags(source, repository, tags)?;
        gone.iter().try_for_each(|name| self.observe_tag_gone(source, name))
    }

    /// Publishes the listed tags of a repository. Returns the number of the source's tags that were published in it, and
    /// those of them that the list leaves out.
    pub(super) fn observe_listed_tags(
        &mut self,
        source: &str,
        repository: &str,
        tags: Vec<ObservedTag>,
    ) -> Result<(usize, Vec<String>), PublishError> {
        let listed: HashSet<String> =
            tags.iter().map(|tag| Reference::tag_name(repository, &tag.tag)).collect();
        tags.into_iter().try_for_each(|tag| self.observe_tag(tag))?;
        let all = self.tags_of_source(source, &Reference::tag_name(repository, ""), |_| true);
        let count = all.len();
        Ok((count, all.into_iter().filter(|name| !listed.contains(name)).collect()))
    }

    /// Handles an image that a source does not have any more. The image is removed unless another source has it.
    pub(super) fn observe_image_gone_from(
        &mut self,
        source: &str,
        digest: Digest,
    ) -> Result<(), PublishError> {
        let Some(mut image) = self.image(&digest)? else { return Ok(()) };
        let is_imported = is_imported(&image);
        image.sources.retain(|of| of != source);
        image.imported = is_imported && !image.sources.is_empty();
        if image.sources.is_empty() && !is_imported {
            self.observe_image_gone(digest);
        } else {
            self.pending.images.insert(digest, Some(image));
        }
        Ok(())
    }

    /// The names of the source's tags that begin so, still lead somewhere and are as `which` says.
    pub(super) fn tags_of_source(
        &self,
        source: &str,
        prefix: &str,
        which: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let published = self.places.tags_of_source(source, prefix);
        let pending = self.pending.tags.range(prefix.to_owned()..);
        let pending = pending
            .take_while(|(name, _)| name.starts_with(prefix))
            .filter(|(_, tag)| tag.source.as_deref() == Some(source) && tag.current.digest.is_some())
            .map(|(name, _)| name.as_str());
        let names: std::collections::BTreeSet<&str> = published.chain(pending).collect();
        names.into_iter().filter(|name| which(name)).map(str::to_owned).collect()
    }

    pub(super) fn observe_tag_gone(&mut self, source: &str, name: &str) -> Result<(), PublishError> {
        let Some(tag) = self.tag(name)? else { return Ok(()) };
        if tag.current.digest.is_none() {
            return Ok(());
        }
        // Clocks differ: the deletion must not lie before the move.
        let since = (self.clock)().max(tag.current.since);
        self.observe_tag(ObservedTag {
            source: Some(source.to_owned()),
            repository: tag.repository,
            tag: tag.tag,
            items: vec![TagItem { since, digest: None, images: Vec::new() }],
            complete: false,
        })
    }

    pub(super) fn observe_build_config_gone(&mut self, key: &str) {
        if self.build_configs.contains_key(key) {
            self.pending.build_configs.insert(key.to_owned(), None);
        } else {
            self.pending.build_configs.remove(key);
        }
    }
}
