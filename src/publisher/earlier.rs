//! Finds earlier versions of a class that nobody saw the followed tag point at: by patterns of tags, and by claims.
//!
//! Claims are written by strangers. A claimed digest counts only if it stands in the repository of the followed tag, and
//! its layers are compared like those of every version (docs/concepts.md, section 8).

use std::collections::{BTreeSet, HashSet};

use super::settle::{self, is_index, settled};
use super::tags::items_of;
use super::versions::{Earlier, KnownChains};
use super::{PublishError, Publisher};
use crate::declare::Invalid;
use crate::observe::Wanted;
use crate::oci::Digest;
use crate::record::catalog::ImageChain;
use crate::record::{CatalogKey, ClassRecord, Origin, TagItem, Timestamp, VersionSources, canonical_name};

/// The tags of a repository that a class has to be examined for.
#[derive(Debug)]
pub(super) enum Scope {
    /// All of them.
    All,
    /// Only these, which have changed.
    Only(BTreeSet<String>),
}

impl Publisher {
    /// The earlier versions of a class that follows this tag, as far as they are not known yet, and the digests that
    /// would be versions if their source had them.
    pub(super) fn earlier(
        &mut self,
        class: &ClassRecord,
        followed: &str,
        scope: &Scope,
    ) -> Result<(Vec<Earlier>, BTreeSet<Digest>), PublishError> {
        let mut found = Vec::new();
        let known = KnownChains::of(self.catalog.class(&class.name));
        if matches!(scope, Scope::All) {
            self.young.remove(&class.name);
        }
        let patterns = class.version_sources.patterns().map_err(Invalid)?;
        if let Some((repository, _)) = followed.rsplit_once(':')
            && !patterns.is_empty()
        {
            let names = self.tags_in(repository, scope);
            let is_named = |name: &String| {
                let tag = &name[repository.len() + 1..];
                name != followed && patterns.iter().any(|pattern| pattern.matches(tag))
            };
            for name in names.into_iter().filter(is_named) {
                self.targets_of_pattern(&class.name, name, &known, &mut found)?;
            }
        }
        if let Some(imported) = self.pending.versions.remove(&class.name) {
            self.pending.imported = self.pending.imported.saturating_sub(imported.len());
            found.extend(imported);
        }
        let wanted = match class.version_sources.claims {
            true => self.claimed_versions(&class.name, followed, &known, &mut found)?,
            false => BTreeSet::new(),
        };
        Ok((found, wanted))
    }

    /// The full names of the tags of a repository.
    fn tags_in(&self, repository: &str, scope: &Scope) -> BTreeSet<String> {
        let prefix = format!("{repository}:");
        let is_inside = |name: &&String| name.starts_with(&prefix);
        match scope {
            Scope::Only(names) => names.iter().filter(is_inside).cloned().collect(),
            Scope::All => {
                let pending = self.pending.tags.range(prefix.clone()..).map(|(name, _)| name);
                let pending = pending.take_while(is_inside).cloned();
                pending.chain(self.places.tags_with(&prefix).map(str::to_owned)).collect()
            }
        }
    }

    fn targets_of_pattern(
        &mut self,
        class: &str,
        name: String,
        known: &KnownChains,
        found: &mut Vec<Earlier>,
    ) -> Result<(), PublishError> {
        let Some(tag) = self.whole_tag(&name)? else { return Ok(()) };
        let items = items_of(&tag);
        // Several tags of a new version move together. The followed one must not come last.
        let rest = if tag.source.is_some() { self.delay } else { std::time::Duration::ZERO };
        let now = (self.clock)();
        let (settled, due) = settled(&items, rest, now, is_index);
        let young = |item: &TagItem| settle::due(item.since, rest, now);
        if let Some(due) = due.or(items.iter().find_map(young)) {
            let earliest = self.young.get(class).map_or(due, |known| due.min(*known));
            self.young.insert(class.to_owned(), earliest);
        }
        for item in items.into_iter().take(settled).filter(|item| young(item).is_none()) {
            let Some(digest) = item.digest else { continue };
            let images: Vec<Digest> = match &item.images[..] {
                [] => vec![digest],
                images => images.iter().map(|image| image.digest).collect(),
            };
            let (images, _) = self.chains(class, images)?;
            if let Some(version) = self.if_new(known, Origin::Pattern, &name, digest, images)? {
                found.push(version);
            }
        }
        Ok(())
    }

    fn claimed_versions(
        &mut self,
        class: &str,
        followed: &str,
        known: &KnownChains,
        found: &mut Vec<Earlier>,
    ) -> Result<BTreeSet<Digest>, PublishError> {
        let Some((repository, _)) = followed.rsplit_once(':') else { return Ok(BTreeSet::new()) };
        let versions = self.catalog.class(class).into_iter().flat_map(crate::class::Class::versions);
        let better = versions.filter(|version| version.origin < Origin::Claimed);
        let better: HashSet<Digest> = better
            .flat_map(|version| version.images.iter().map(|image| image.digest).chain([version.digest]))
            .collect();
        let claimed: Vec<Digest> =
            self.claimed.of(followed).filter(|digest| !better.contains(digest)).collect();
        let mut wanted = BTreeSet::new();
        for digest in claimed {
            let images: Vec<Digest> = match self.indexes.get(&digest) {
                Some(images) => images.iter().map(|image| image.digest).collect(),
                None => vec![digest],
            };
            let (chains, missing) = self.chains(class, images.iter().copied())?;
            if missing.is_empty() && known.have_all(&chains, Origin::Adopted) {
                continue;
            }
            // Also once it is a version: its source keeps the image as long as it is wanted.
            wanted.insert(digest);
            if missing.is_empty() && self.stands_in(&chains, repository)? {
                found.extend(self.if_new(known, Origin::Claimed, followed, digest, chains)?);
            } else {
                for image in images.into_iter().chain([digest]) {
                    self.waiting_classes.entry(image).or_default().insert(class.to_owned());
                }
            }
        }
        Ok(wanted)
    }

    /// Notes the digests that a class wants of the repository of its tag; none if it follows none any more.
    pub(super) fn want(&mut self, class: &str, followed: &str, digests: BTreeSet<Digest>) {
        let repository = followed.rsplit_once(':').map_or("", |(repository, _)| repository);
        let wants = (repository.to_owned(), digests);
        let is_known = match self.wanted.get(class) {
            Some(known) => *known == wants,
            None => wants.1.is_empty(),
        };
        if is_known {
            return;
        }
        self.has_other_wants = true;
        match wants.1.is_empty() {
            true => self.wanted.remove(class),
            false => self.wanted.insert(class.to_owned(), wants),
        };
    }

    /// Returns `true` if clade has seen all of these images in the repository.
    fn stands_in(&self, images: &[ImageChain], repository: &str) -> Result<bool, PublishError> {
        let repository = canonical_name(repository);
        for image in images {
            let seen = self.image(&image.digest)?;
            if !seen
                .is_some_and(|seen| seen.repositories.iter().any(|name| canonical_name(name) == repository))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The version, unless the class has all of its chains by as good an origin.
    fn if_new(
        &self,
        known: &KnownChains,
        origin: Origin,
        tag: &str,
        digest: Digest,
        images: Vec<ImageChain>,
    ) -> Result<Option<Earlier>, PublishError> {
        let Some(first) = images.first().map(|image| image.digest) else { return Ok(None) };
        if known.have_all(&images, origin) {
            return Ok(None);
        }
        // Reproducible builds state the beginning of 1970 or 1980, which says nothing.
        let says_something = |built: &Timestamp| built.as_second() > 400_000_000;
        let built = self.image(&first)?.and_then(|image| image.created).filter(says_something);
        Ok(Some(Earlier { origin, tag: tag.to_owned(), since: None, built, digest, images }))
    }

    /// Deletes the versions of a class that its new sources do not give any more.
    pub(super) fn drop_versions(
        &mut self,
        class: &str,
        sources: &VersionSources,
    ) -> Result<bool, PublishError> {
        let patterns = sources.patterns().map_err(Invalid)?;
        let is_named = |tag: &Option<String>| {
            let tag = tag.as_ref().and_then(|name| name.rsplit_once(':'));
            tag.is_some_and(|(_, tag)| patterns.iter().any(|pattern| pattern.matches(tag)))
        };
        let versions = self.catalog.class(class).into_iter().flat_map(crate::class::Class::versions);
        let dropped: Vec<u32> = versions
            .filter(|version| match version.origin {
                Origin::Observed | Origin::History | Origin::Adopted => false,
                Origin::Pattern => !is_named(&version.tag),
                Origin::Claimed => !sources.claims,
            })
            .map(|version| version.number)
            .collect();
        for number in &dropped {
            self.delete(CatalogKey::Version(class.to_owned(), *number));
        }
        Ok(!dropped.is_empty())
    }

    /// The digests that claims name, by the repository of the tag that they name, as far as clade has to look for them.
    pub fn wanted(&self) -> Wanted {
        let mut all = Wanted::new();
        for (repository, digests) in self.wanted.values() {
            all.entry(repository.clone()).or_default().extend(digests);
        }
        all
    }

    /// The same, if it is whole and has changed since the last call.
    pub(super) fn new_wanted(&mut self) -> Option<Wanted> {
        let is_news = self.has_examined && std::mem::take(&mut self.has_other_wants);
        is_news.then(|| self.wanted())
    }
}
