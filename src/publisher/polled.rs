//! The observations of polled sources. Such a source does not report its deletions, and a list that leaves an entry out
//! by mistake looks the same. So the publisher deletes a large part that vanishes at once only when a later poll does
//! not see it either.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::tags::images_of;
use super::{PublishError, Publisher};
use crate::observe::Polled;
use crate::oci::Digest;

/// This many entries may always vanish at once, or half of all. But all tags of a repository are always a large part.
const FEW: usize = 3;

/// The deletions that the publisher does not believe yet: by source and part, the poll that missed the entries.
pub(super) type Doubts = HashMap<(String, Part), u64>;

/// A part of a source of which much can vanish at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// A repository as a whole, which the list of repositories leaves out.
    Repository(String),
    /// The tags of a repository.
    Tags(String),
    Images,
}

impl Publisher {
    /// Sets the doubts of an earlier publisher.
    #[must_use]
    pub(super) fn doubting(self, doubts: Doubts) -> Self {
        Self { doubts, ..self }
    }

    /// Returns the deletions that the publisher does not believe yet.
    pub(super) fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    pub(super) fn observe_polled(
        &mut self,
        source: &str,
        look: u64,
        seen: Polled,
    ) -> Result<(), PublishError> {
        match seen {
            Polled::Repository(repository, tags) => {
                let (all, gone) = self.observe_listed_tags(source, &repository, tags)?;
                if self.is_believed(source, Part::Tags(repository), look, gone.len(), all) {
                    gone.iter().try_for_each(|name| self.observe_tag_gone(source, name))?;
                }
                Ok(())
            }
            Polled::Everything { repositories, images, unseen } => {
                // Of such a repository, a list leaves out nothing any more.
                self.doubts.retain(|(of, part), _| match part {
                    Part::Repository(name) => of != source || !repositories.contains(name),
                    Part::Tags(_) | Part::Images => true,
                });
                let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for name in self.tags_of_source(source, "", |_| true) {
                    let repository = name.rsplit_once(':').map_or(&*name, |(repository, _)| repository);
                    if !repositories.contains(repository) {
                        gone.entry(repository.to_owned()).or_default().push(name);
                    }
                }
                for (repository, tags) in gone {
                    if self.is_believed(source, Part::Repository(repository), look, tags.len(), tags.len()) {
                        tags.iter().try_for_each(|name| self.observe_tag_gone(source, name))?;
                    }
                }
                self.observe_polled_images(source, look, &images, &unseen)
            }
        }
    }

    fn observe_polled_images(
        &mut self,
        source: &str,
        look: u64,
        listed: &HashSet<Digest>,
        unseen: &HashSet<String>,
    ) -> Result<(), PublishError> {
        // The tags that the publisher does not delete yet still need their images.
        let mut doubts = self.doubts.iter();
        if doubts.any(|((of, part), since)| of == source && *part != Part::Images && *since >= look) {
            return Ok(());
        }
        let all = self.images_of_source(source);
        let is_gone = |digest: &&Digest| !listed.contains(*digest) && !self.has_tag(source, digest);
        let mut gone: Vec<Digest> = all.iter().filter(is_gone).copied().collect();
        if !unseen.is_empty() {
            let mut seen = Vec::with_capacity(gone.len());
            for digest in gone {
                let image = self.image(&digest)?;
                if image.is_none_or(|image| !image.repositories.iter().any(|name| unseen.contains(name))) {
                    seen.push(digest);
                }
            }
            gone = seen;
        }
        if self.is_believed(source, Part::Images, look, gone.len(), all.len()) {
            self.observe_images_gone_from(source, gone)?;
        }
        Ok(())
    }

    /// Returns `true` if a tag of the source leads to the image. The source may be refused the index by which it did.
    fn has_tag(&self, source: &str, image: &Digest) -> bool {
        let leads_there = |name: &str| match self.pending.tags.get(name) {
            Some(tag) => tag.source.as_deref() == Some(source) && images_of(&tag.current).contains(image),
            None => self.places.is_tag_in(source, name),
        };
        self.places.tags_of(image).any(leads_there)
    }

    /// Returns `true` if the publisher believes the deletion of `gone` of `all` entries: they are few, or an earlier
    /// poll has missed entries as well.
    fn is_believed(&mut self, source: &str, part: Part, look: u64, gone: usize, all: usize) -> bool {
        let is_much = match part {
            Part::Images => gone > FEW && gone * 2 > all,
            Part::Repository(_) | Part::Tags(_) => gone > 0 && (gone == all || gone > FEW && gone * 2 > all),
        };
        let key = (source.to_owned(), part);
        if !is_much {
            self.doubts.remove(&key);
            return true;
        }
        match self.doubts.get(&key) {
            Some(since) if *since < look => {
                self.doubts.remove(&key);
                true
            }
            Some(_) => false,
            None => {
                let (of, what) = match &key.1 {
                    Part::Images => (source, "images"),
                    Part::Repository(name) | Part::Tags(name) => (name.as_str(), "tags"),
                };
                tracing::warn!(
                    "{gone} of {all} {what} of {of} are listed no longer: they count as deleted if the next look misses \
                     them as well"
                );
                self.doubts.insert(key, look);
                false
            }
        }
    }
}
