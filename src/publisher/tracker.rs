//! The class tracker: follows tags and images, and writes the versions of classes into the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::earlier::Scope;
use super::settle::{is_index, settled};
use super::tags::items_of;
use super::versions::{Target, versions};
use super::{PublishError, Publisher};
use crate::declare::{Followed, followed};
use crate::oci::reference::has_host;
use crate::oci::{Digest, Reference};
use crate::record::catalog::{Following, ImageChain};
use crate::record::{
    CatalogKey, CatalogRecord, ClassRecord, ObjectReference, ReferenceKind, TagImage, TagItem, canonical_name,
};

impl Publisher {
    /// Examines every class that pending records may affect, and writes the changes into the catalog.
    pub(super) fn track(&mut self) -> Result<(), PublishError> {
        self.merge_followed()?;
        let mut whole = std::mem::take(&mut self.pending.classes);
        whole.extend(self.classes_of_new_chains());
        whole.extend(self.classes_of_learned_images());
        whole.extend(self.pending.versions.keys().cloned());
        for (digest, image) in &self.pending.images {
            whole.extend(self.waiting_classes.remove(digest).unwrap_or_default());
            let claims = image.as_ref().map_or(&[][..], |image| &image.claims);
            for tag in self.claimed.add(claims) {
                whole.extend(self.followers.get(&tag).into_iter().flatten().cloned());
            }
        }
        let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in self.pending.tags.keys().chain(&self.pending.moved_tags) {
            let familiar = familiar_name(name);
            let names = [name.as_str(), familiar.as_str()];
            for class in names.iter().filter_map(|name| self.followers.get(*name)).flatten() {
                parts.entry(class.clone()).or_default();
            }
            for class in self.patterned.get(repository_of(name)).into_iter().flatten() {
                parts.entry(class.clone()).or_default().insert(name.clone());
            }
        }
        parts.retain(|class, _| !whole.contains(class));
        let whole = whole.into_iter().map(|class| (class, Scope::All));
        for (name, scope) in whole.chain(parts.into_iter().map(|(class, tags)| (class, Scope::Only(tags)))) {
            if let Some(class) = self.catalog.class(&name).map(|class| (*class.record).clone()) {
                self.track_class(class, &scope)?;
            }
        }
        self.has_examined = true;
        Ok(())
    }

    /// Returns `true` if a class follows the tag, or has a pattern for its repository.
    pub(super) fn may_concern_class(&self, name: &str) -> bool {
        self.followers.contains_key(name)
            || self.followers.contains_key(&familiar_name(name))
            || self.patterned.contains_key(repository_of(name))
    }

    /// Examines every class whose tag has rested long enough by now; [`flush`](Self::flush) writes the results.
    pub fn settle(&mut self) {
        let now = (self.clock)();
        let due = self
            .unsettled
            .iter()
            .chain(&self.young)
            .filter(|(_, due)| **due <= now)
            .map(|(class, _)| class.clone());
        self.pending.classes.extend(due);
    }

    /// Brings the version list of a class up to date with its followed reference, and with those of its other sources
    /// that are in the scope.
    pub(super) fn track_class(&mut self, record: ClassRecord, scope: &Scope) -> Result<(), PublishError> {
        let name = record.name.clone();
        let followed = followed(&record.from)?;
        let (targets, following, earlier, wants) = match &followed {
            Followed::Tag(tag) => {
                let tag = self.spelled(&record.from, tag)?;
                let (targets, following) = self.targets_of_tag(&name, &tag)?;
                if let Some((repository, _)) =
                    tag.rsplit_once(':').filter(|_| !record.version_sources.tags.is_empty())
                {
                    self.patterned.entry(repository.to_owned()).or_default().insert(name.clone());
                }
                // Earlier versions count only beside a current one, which may be the news.
                let scope = if record.current.is_none() { &Scope::All } else { scope };
                let (mut earlier, wanted) = self.earlier(&record, &tag, scope)?;
                earlier.extend(self.remembered(&record, &targets)?);
                (targets, following, earlier, Some((tag, wanted)))
            }
            Followed::Chain(chain) => return self.track_chain(record, *chain),
            Followed::Image(digest) => {
                let (targets, following) = self.target_of_image(&name, *digest)?;
                (targets, following, Vec::new(), None)
            }
        };
        let has_learned = matches!(scope, Scope::All) && self.learn(&name)?;
        let versions = versions(&name, self.catalog.class(&name), &targets, earlier);
        let has_changed = has_learned
            || !versions.changed.is_empty()
            || (record.versions, record.current) != (versions.count, versions.current);
        for version in versions.changed {
            self.put(CatalogRecord::ImageClassVersion(version));
        }
        if let Some((tag, mut wanted)) = wants {
            wanted.extend(self.known_by_blobs(&name));
            self.want(&name, &tag, wanted);
        }
        if let Followed::Tag(tag) = followed {
            if let Some((_, of_stream)) = tag.split_once('/').filter(|_| has_host(&tag)) {
                self.followers.entry(of_stream.to_owned()).or_default().insert(name.clone());
            }
            // Claims have the one spelling of a name.
            self.followers.entry(canonical_name(&tag)).or_default().insert(name.clone());
            self.followers.entry(tag).or_default().insert(name.clone());
        }
        let updated = ClassRecord {
            versions: versions.count,
            current: versions.current,
            revision: record.revision + u64::from(has_changed),
            following,
            ..record
        };
        self.put_class(updated);
        Ok(())
    }

    /// Writes a class, if it differs from the known one.
    pub(super) fn put_class(&mut self, updated: ClassRecord) {
        if self.catalog.class(&updated.name).is_none_or(|class| *class.record != updated) {
            self.sequence += 1;
            self.put(CatalogRecord::ImageClass(ClassRecord { sequence: self.sequence, ..updated }));
        }
    }

    /// Adds a record to the catalog in memory and to the pending batch.
    pub(super) fn put(&mut self, record: CatalogRecord) {
        let key = record.key();
        self.catalog.apply(&key, Some(record.clone()));
        self.pending.catalog.push((key, Some(record)));
    }

    /// Deletes a key of the catalog.
    pub(super) fn delete(&mut self, key: CatalogKey) {
        self.catalog.apply(&key, None);
        self.pending.catalog.push((key, None));
    }

    /// The followed tag as its source writes it: of a pull spec's name there are several spellings.
    fn spelled(&mut self, from: &ObjectReference, tag: &str) -> Result<String, PublishError> {
        if from.kind == ReferenceKind::DockerImage {
            let written = from.name.parse::<Reference>().ok().map(|written| {
                Reference::tag_name(&written.repository, written.tag.as_deref().unwrap_or("latest"))
            });
            let written = written.unwrap_or_else(|| tag.to_owned());
            for name in Reference::spellings(&written) {
                if self.tag(&name)?.is_some() {
                    return Ok(name);
                }
            }
            // The registry of a cluster has the tags of its image streams.
            if let Some((registry, name)) = written.split_once('/')
                && self.tag(name)?.is_some_and(|tag| tag.stream.is_in(registry))
            {
                return Ok(name.to_owned());
            }
        }
        Ok(tag.to_owned())
    }

    fn targets_of_tag(&mut self, class: &str, name: &str) -> Result<(Vec<Target>, Following), PublishError> {
        let Some(tag) = self.whole_tag(name)? else {
            return Ok((Vec::new(), not_ready("NotFound", format!("no tag {name} has been seen yet"))));
        };
        let mut targets = Vec::new();
        let mut unknown = Vec::new();
        let items = items_of(&tag);
        let delay = if tag.source.is_some() { self.delay } else { Duration::ZERO };
        // A cluster may report a tag before it reports the image index that the tag points at.
        let may_be_index = |item: &TagItem| {
            is_index(item) || item.digest.is_some_and(|digest| !self.is_known_image(&digest))
        };
        let (mut settled, mut due) = settled(&items, delay, (self.clock)(), may_be_index);
        let current =
            self.catalog.class(class).and_then(|class| class.current()).and_then(|current| current.since);
        if items.get(settled).is_some_and(|first| current.is_some_and(|current| current >= first.since)) {
            // A version that counted once is not taken back.
            (settled, due) = (items.len(), None);
        }
        match due {
            Some(due) => self.unsettled.insert(class.to_owned(), due),
            None => self.unsettled.remove(class),
        };
        for item in items.into_iter().take(settled) {
            let Some(digest) = item.digest else { continue };
            let alone = [TagImage { digest, platform: None }];
            let images = if item.images.is_empty() { &alone[..] } else { &item.images[..] };
            let (chains, missing) = self.chains(class, images.iter().map(|image| image.digest))?;
            if item == tag.current {
                unknown = missing;
            }
            targets.push(Target { since: item.since, digest, images: chains });
        }
        if let Some(due) = due {
            let text =
                format!("following the tag {name}, which has moved: it counts once it rests, at {due:.0}");
            return Ok((targets, Following { ready: true, reason: "Settling".to_owned(), message: text }));
        }
        let following = match (tag.current.digest, unknown.first(), targets.last()) {
            (None, ..) => not_ready(
                "TagGone",
                format!("the tag {name} is no longer listed; its last version stays current"),
            ),
            (_, Some(image), _) => not_ready(
                "ImageUnknown",
                format!("the tag {name} points at {image}, which has not been seen"),
            ),
            (_, None, Some(target)) if target.images.is_empty() => not_ready(
                "NoLayers",
                format!("the tag {name} points at an image without layers: nothing can be based on it"),
            ),
            _ => ready(format!("following the tag {name}")),
        };
        Ok((targets, following))
    }

    pub(super) fn is_known_image(&self, digest: &Digest) -> bool {
        self.pending.images.get(digest).map_or_else(|| self.places.image(digest).is_some(), Option::is_some)
    }

    fn target_of_image(
        &mut self,
        class: &str,
        digest: Digest,
    ) -> Result<(Vec<Target>, Following), PublishError> {
        let (images, missing) = self.chains(class, [digest])?;
        if !missing.is_empty() {
            let text = format!("no image {digest} has been seen yet");
            return Ok((Vec::new(), not_ready("NotFound", text)));
        }
        if images.is_empty() {
            let text = format!("the image {digest} has no layers: nothing can be based on it");
            return Ok((Vec::new(), not_ready("NoLayers", text)));
        }
        let recorded =
            self.catalog.class(class).and_then(|class| class.current()).and_then(|version| version.since);
        let created = self.image(&digest)?.and_then(|image| image.created);
        let since = recorded.or(created).unwrap_or_else(|| (self.clock)());
        Ok((vec![Target { since, digest, images }], ready(format!("following the image {digest}"))))
    }

    /// The chains of those images that are known and have layers, and the images that are not known: the class is
    /// examined again when one of them is published.
    pub(super) fn chains(
        &mut self,
        class: &str,
        images: impl IntoIterator<Item = Digest>,
    ) -> Result<(Vec<ImageChain>, Vec<Digest>), PublishError> {
        let (mut chains, mut missing) = (Vec::new(), Vec::new());
        for digest in images {
            match self.chain(&digest)? {
                Some(chain) => chains.extend(chain),
                None => {
                    self.waiting_classes.entry(digest).or_default().insert(class.to_owned());
                    missing.push(digest);
                }
            }
        }
        Ok((chains, missing))
    }
}

fn repository_of(tag: &str) -> &str {
    tag.rsplit_once(':').map_or("", |(repository, _)| repository)
}

fn familiar_name(tag: &str) -> String {
    Reference::familiar(tag).to_owned()
}

pub(super) fn ready(message: String) -> Following {
    Following { ready: true, reason: "Following".to_owned(), message }
}

pub(super) fn not_ready(reason: &str, message: String) -> Following {
    Following { ready: false, reason: reason.to_owned(), message }
}
