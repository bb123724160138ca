//! Looking at one repository: which tags it has, where each leads, and what is there that was not known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt as _};

use super::client::Client;
use super::document::{Document, Lead};
use super::known::{Known, Platforms, Repository};
use super::pattern::any_matches;
use super::sink::{Closed, Sink};
use super::{Pattern, RegistryError};
use crate::observe::Observation;
use crate::oci::Digest;
use crate::oci::document::not_an_image_tag;
use crate::record::{DeadLetterRecord, Timestamp};
use crate::source::manifest::{Annotations, MAX_DEPTH, claim};

/// Requests that are prepared at once; how many run, the client's pace says.
const AT_ONCE: usize = 8;

/// What a look came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is as it was.
    Unchanged,
    /// Something was told.
    Changed,
    /// Something could not be found out. What could was told; nothing counts as deleted.
    Failed(RegistryError),
}

/// One look.
pub(super) struct Look<'a> {
    pub(super) client: &'a Client,
    pub(super) platforms: &'a Platforms,
    pub(super) patterns: &'a [Pattern],
    /// The repository's name in the registry.
    pub(super) name: &'a str,
    pub(super) repository: &'a mut Repository,
    pub(super) sink: &'a mut Sink,
}

impl Look<'_> {
    /// Looks at all tags.
    pub(super) async fn at_all(&mut self) -> Result<Outcome, Closed> {
        let listed = match self.client.tags(self.name).await {
            Ok(listed) => listed,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        let was_absent = std::mem::replace(&mut self.repository.is_absent, listed.is_none());
        let tags = self.wanted(listed.unwrap_or_default()).await?;
        let (found, mut failure) = self.digests(tags).await;
        let moved: Vec<&String> =
            found.iter().filter(|(tag, to)| self.points_at(tag) != **to).map(|(tag, _)| tag).collect();
        let gone = self.repository.tags.keys().filter(|tag| !found.contains_key(*tag)).count();
        let has_changed = !moved.is_empty() || gone > 0 || was_absent != self.repository.is_absent;
        if failure.is_none() && !has_changed && self.repository.is_told {
            return Ok(Outcome::Unchanged);
        }
        let moved: BTreeSet<String> = moved.into_iter().cloned().collect();
        failure = self.documents(found.values().flatten().copied().collect()).await?.or(failure);
        if let Some(failure) = failure {
            self.tell_some(&found, &moved).await?;
            return Ok(Outcome::Failed(failure));
        }
        self.repository.tags.retain(|tag, _| found.contains_key(tag));
        found.into_iter().for_each(|(tag, to)| self.set(tag, to));
        self.repository.forget_untagged();
        self.tell_all().await?;
        Ok(Outcome::Changed)
    }

    /// Looks at one tag, which has just been pushed; at all if it is not there.
    pub(super) async fn at_one(&mut self, tag: &str) -> Result<Outcome, Closed> {
        if !any_matches(self.patterns, tag) || not_an_image_tag(tag).is_some() {
            return Ok(Outcome::Unchanged);
        }
        let to = match self.client.digest(self.name, tag).await {
            Ok(Some(to)) => to,
            Ok(None) => return self.at_all().await,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        if self.points_at(tag) == Some(to) {
            return Ok(Outcome::Unchanged);
        }
        if let Some(failure) = self.documents(BTreeSet::from([to])).await? {
            // What was read is known from now on, and not read again.
            self.sink.hand_on().await?;
            return Ok(Outcome::Failed(failure));
        }
        self.repository.is_absent = false;
        self.set(tag.to_owned(), Some(to));
        if self.repository.is_told {
            self.repository.forget_untagged();
        }
        if !self.tell_one(tag).await? && self.repository.is_told {
            // It was an image, perhaps, and is none any more.
            self.tell_all().await?;
        }
        self.sink.hand_on().await?;
        Ok(Outcome::Changed)
    }

    fn points_at(&self, tag: &str) -> Option<Digest> {
        self.repository.tags.get(tag).map(|(digest, _)| *digest)
    }

    /// The tags that are to be looked at. New ones that name no images are told of.
    async fn wanted(&mut self, listed: BTreeSet<String>) -> Result<Vec<String>, Closed> {
        let listed = listed.into_iter().filter(|tag| any_matches(self.patterns, tag));
        let (left_out, wanted): (Vec<_>, Vec<_>) = listed.partition(|tag| not_an_image_tag(tag).is_some());
        for tag in left_out.iter().skip(self.repository.left_out) {
            if let Some(what) = not_an_image_tag(tag) {
                self.sink.put(Observation::NotAnImage(what)).await?;
            }
        }
        self.repository.left_out = left_out.len();
        Ok(wanted)
    }

    /// Where the tags point; those that have gone meanwhile point nowhere, and those that cannot be found out are left as
    /// they were, with the reason.
    async fn digests(&self, tags: Vec<String>) -> (BTreeMap<String, Option<Digest>>, Option<RegistryError>) {
        let (client, name) = (self.client, self.name);
        let ask = |tag: String| async move {
            let digest = client.digest(name, &tag).await;
            (tag, digest)
        };
        let mut asking = stream::iter(tags).map(ask).buffer_unordered(AT_ONCE);
        let (mut found, mut failure) = (BTreeMap::new(), None);
        while let Some((tag, digest)) = asking.next().await {
            match digest {
                Ok(Some(digest)) => drop(found.insert(tag, Some(digest))),
                Ok(None) => {}
                Err(error) => {
                    let before = self.points_at(&tag);
                    found.insert(tag, before);
                    let is_everywhere = error.is_everywhere();
                    failure.get_or_insert(error);
                    if is_everywhere {
                        break;
                    }
                }
            }
        }
        (found, failure)
    }

    /// Reads all that is not known below these digests, one level after another: indexes, then their images. What an index
    /// is, is remembered only once all of it is known.
    async fn documents(&mut self, digests: BTreeSet<Digest>) -> Result<Option<RegistryError>, Closed> {
        let mut failure = None;
        let mut indexes: Vec<(Digest, Vec<Digest>)> = Vec::new();
        let lead = |digest| Lead { digest, media_type: None, annotations: Annotations::new() };
        let mut level: HashMap<Digest, Lead> =
            digests.into_iter().map(|digest| (digest, lead(digest))).collect();
        for depth in 0..=MAX_DEPTH {
            level.retain(|digest, _| !self.repository.manifests.contains_key(digest));
            if level.is_empty() {
                break;
            }
            if depth == MAX_DEPTH {
                for digest in level.into_keys() {
                    let reason = format!("image indexes lie in one another more than {MAX_DEPTH} deep");
                    self.unreadable(digest, reason, None).await?;
                }
                break;
            }
            let (client, name) = (self.client, self.name);
            let read = |lead: Lead| async move {
                let document = client.document(name, &lead).await;
                (lead.digest, document)
            };
            let mut reading =
                stream::iter(std::mem::take(&mut level).into_values()).map(read).buffer_unordered(AT_ONCE);
            while let Some((digest, document)) = reading.next().await {
                let known = match document {
                    Ok(Document::Image(image)) => {
                        let platform = self.platforms.shared(&image.platform);
                        self.sink.put(Observation::Image(image)).await?;
                        Known::Image(platform)
                    }
                    Ok(Document::Index(leads)) => {
                        let inside = self.inside(leads, &mut level).await?;
                        indexes.push((digest, inside));
                        continue;
                    }
                    Ok(Document::NotAnImage(what)) => {
                        self.sink.put(Observation::NotAnImage(what)).await?;
                        Known::Nothing
                    }
                    Ok(Document::Unreadable(reason, value)) => {
                        self.unreadable(digest, reason, value.as_deref()).await?;
                        continue;
                    }
                    Err(error) => {
                        failure.get_or_insert(error);
                        continue;
                    }
                };
                self.repository.manifests.insert(digest, known);
            }
        }
        // Those inside of others were read after them.
        for (digest, inside) in indexes.into_iter().rev() {
            if inside.iter().all(|inside| self.repository.manifests.contains_key(inside)) {
                self.repository.manifests.insert(digest, Known::Index(inside.into()));
                if let Some(images) = self.repository.images(&digest).filter(|images| !images.is_empty()) {
                    self.sink.put(Observation::ImageIndex(digest, images)).await?;
                }
            }
        }
        Ok(failure)
    }

    /// What lies in an index. What is not known of it is put into the next level.
    async fn inside(
        &mut self,
        leads: Vec<Result<Lead, &'static str>>,
        level: &mut HashMap<Digest, Lead>,
    ) -> Result<Vec<Digest>, Closed> {
        let mut inside = Vec::with_capacity(leads.len());
        for lead in leads {
            let lead = match lead {
                Ok(lead) => lead,
                Err(what) => {
                    self.sink.put(Observation::NotAnImage(what)).await?;
                    continue;
                }
            };
            inside.push(lead.digest);
            if self.repository.manifests.contains_key(&lead.digest) {
                // It is not read again, and what is claimed of it here may be new.
                if let Some(claim) = claim(&lead.annotations) {
                    self.sink.put(Observation::Claim(lead.digest, claim)).await?;
                }
            } else {
                level.insert(lead.digest, lead);
            }
        }
        Ok(inside)
    }

    async fn unreadable(
        &mut self,
        digest: Digest,
        reason: String,
        value: Option<&[u8]>,
    ) -> Result<(), Closed> {
        let place = format!("{}@{digest}", self.client.full_name(self.name));
        self.repository.manifests.insert(digest, Known::Unreadable);
        self.sink.put(Observation::Unreadable(DeadLetterRecord::new(place, None, reason, value))).await
    }

    /// Remembers where a tag points, and since when if that is new.
    fn set(&mut self, tag: String, to: Option<Digest>) {
        let Some(to) = to.filter(|to| self.points_at(&tag) != Some(*to)) else { return };
        // No finer than other sources tell it.
        let now = Timestamp::now();
        let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.repository.tags.insert(tag, (to, since));
    }

    async fn tell_all(&mut self) -> Result<(), Closed> {
        let (host, full_name) = (&self.client.host, self.client.full_name(self.name));
        let names: BTreeSet<&String> = self.repository.tags.keys().collect();
        let tags =
            names.into_iter().filter_map(|tag| self.repository.observed(host, &full_name, tag)).collect();
        let all = Observation::Repository { source: host.clone(), repository: full_name, tags };
        self.sink.put(all).await?;
        self.repository.is_told = true;
        self.sink.hand_on().await
    }

    /// Tells of the tags that have moved, if it is known whereto. Whoever failed is tried again, so the rest is told then.
    async fn tell_some(
        &mut self,
        found: &BTreeMap<String, Option<Digest>>,
        moved: &BTreeSet<String>,
    ) -> Result<(), Closed> {
        self.repository.is_told = false;
        for tag in moved {
            let to = found.get(tag).copied().flatten();
            if to.is_some_and(|to| self.repository.images(&to).is_some()) {
                self.set(tag.clone(), to);
                self.tell_one(tag).await?;
            }
        }
        self.sink.hand_on().await
    }

    /// Tells of a tag if it leads to an image, and whether it does.
    async fn tell_one(&mut self, tag: &str) -> Result<bool, Closed> {
        let full_name = self.client.full_name(self.name);
        let Some(observed) = self.repository.observed(&self.client.host, &full_name, tag) else {
            return Ok(false);
        };
        self.sink.put(Observation::Tag(observed)).await?;
        Ok(true)
    }
}
