//! One poll of a repository: the tags that it has, the target of each, and the documents that are not known yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _};

use super::client::Client;
use super::document::{Document, Entry, Lead, Pointed};
use super::known::{Known, Platforms, Repository};
use super::pattern::any_matches;
use super::sink::{Closed, Sink};
use super::{Pattern, RegistryError};
use crate::observe::{Observation, ObservedTag, Polled};
use crate::oci::Digest;
use crate::oci::document::not_an_image_tag;
use crate::record::{DeadLetterRecord, Timestamp};
use crate::source::manifest::MAX_DEPTH;

/// Requests that a poll prepares at once. The pace of the client decides how many run.
const AT_ONCE: usize = 8;

/// The result of a poll.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing has changed.
    Unchanged,
    /// The poll has reported a change.
    Changed,
    /// A part of the poll has failed and stays as it was. The poll has reported the rest.
    Failed(RegistryError),
}

/// One poll of a repository.
pub(super) struct Look<'a> {
    pub(super) client: &'a Client,
    pub(super) platforms: &'a Platforms,
    pub(super) patterns: &'a [Pattern],
    /// The repository's name in the registry.
    pub(super) name: &'a str,
    pub(super) repository: &'a mut Repository,
    pub(super) sink: &'a mut Sink,
    /// The number of the pass that the poll belongs to.
    pub(super) number: u64,
}

/// The targets of tags.
#[derive(Default)]
struct Digests {
    /// The tags that exist. The digest is `None` if neither this poll nor an earlier one could resolve the tag.
    found: BTreeMap<String, Option<Digest>>,
    /// The tags that the registry lists and did not find.
    missing: BTreeSet<String>,
    failure: Option<RegistryError>,
}

/// The result of reading documents.
struct Documents {
    failure: Option<RegistryError>,
    /// `true` if the registry has delivered a document that it withheld before.
    has_come: bool,
}

impl Look<'_> {
    /// Polls all tags. A tag that the registry does not list is gone, even if other parts of the poll fail.
    pub(super) async fn at_all(&mut self) -> Result<Outcome, Closed> {
        let listed = match self.client.tags(self.name).await {
            Ok(listed) => listed,
            Err(error) if error.is_refusal() => return Ok(self.refused(&error)),
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        self.repository.refusal = None;
        let was_absent = std::mem::replace(&mut self.repository.is_absent, listed.is_none());
        let tags = self.wanted(listed.unwrap_or_default()).await?;
        let Digests { found, missing, failure } = self.digests(tags).await;
        self.repository.has_lost = self.repository.tags.keys().any(|tag| !found.contains_key(tag));
        let has_moved =
            |(tag, to): (&String, &Option<Digest>)| to.is_some_and(|to| self.points_at(tag) != Some(to));
        let has_changed = found.iter().any(has_moved)
            || self.repository.has_lost
            || missing != self.repository.missing
            || was_absent != self.repository.is_absent;
        self.repository.missing = missing;
        let withheld = self.repository.withheld();
        let is_settled = failure.is_none() && !has_changed && self.repository.is_told;
        if is_settled && withheld.is_empty() {
            if self.repository.is_to_confirm {
                self.tell_all().await?;
                self.repository.is_to_confirm = false;
            }
            return Ok(Outcome::Unchanged);
        }
        let roots = found.values().flatten().map(|digest| Lead::to(*digest));
        let Documents { failure: of_documents, has_come } =
            self.documents(withheld.into_iter().chain(roots)).await?;
        let failure = failure.or(of_documents);
        if is_settled && failure.is_none() && !has_come {
            return Ok(Outcome::Unchanged);
        }
        self.repository.tags.retain(|tag, _| found.contains_key(tag));
        self.repository.unresolved.clear();
        for (tag, to) in found {
            match to.filter(|to| self.repository.images(to).is_some()) {
                Some(to) => self.set(tag, to),
                None => drop(self.repository.unresolved.insert(tag)),
            }
        }
        let may_hide = self.repository.withheld().iter().any(Lead::may_be_index);
        self.repository.is_partial = failure.is_some() || may_hide || !self.repository.unresolved.is_empty();
        if failure.is_none() {
            self.repository.forget_untagged();
        }
        self.tell_all().await?;
        Ok(failure.map_or(Outcome::Changed, Outcome::Failed))
    }

    /// Handles a refusal of the repository. Its facts stay as they are, and the watcher goes on with the other
    /// repositories.
    fn refused(&mut self, error: &RegistryError) -> Outcome {
        let error = error.to_string();
        self.repository.is_partial = true;
        if self.repository.refusal.as_ref() != Some(&error) {
            tracing::warn!("{error}; what is known of {} stays as it is", self.client.full_name(self.name));
            self.repository.refusal = Some(error);
        }
        Outcome::Unchanged
    }

    /// Polls one tag, which has just been pushed. Polls all tags if the registry does not have it.
    pub(super) async fn at_one(&mut self, tag: &str) -> Result<Outcome, Closed> {
        if !any_matches(self.patterns, tag) || not_an_image_tag(tag).is_some() {
            return Ok(Outcome::Unchanged);
        }
        let to = match self.client.digest(self.name, tag).await {
            Ok(Pointed::At(to)) => to,
            Ok(Pointed::Nowhere) => return self.at_all().await,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        if self.points_at(tag) == Some(to) {
            return Ok(Outcome::Unchanged);
        }
        if let Some(failure) = self.documents([Lead::to(to)]).await?.failure {
            // The watcher never reads these documents again, so it hands them on now.
            self.sink.hand_on().await?;
            return Ok(Outcome::Failed(failure));
        }
        self.repository.is_absent = false;
        self.set(tag.to_owned(), to);
        if self.repository.is_told {
            self.repository.forget_untagged();
        }
        if !self.tell_one(tag).await? && self.repository.is_told {
            // The tag may have led to an image before, so the report of all tags must remove it.
            self.tell_all().await?;
        }
        self.sink.hand_on().await?;
        Ok(Outcome::Changed)
    }

    fn points_at(&self, tag: &str) -> Option<Digest> {
        self.repository.tags.get(tag).map(|(digest, _)| *digest)
    }

    /// Returns the listed tags that the poll resolves. Reports the new ones that name no images.
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

    /// Asks the registry for the targets of the tags. A tag that cannot be resolved keeps its earlier target.
    async fn digests(&self, tags: Vec<String>) -> Digests {
        let (client, name) = (self.client, self.name);
        let ask = |tag: String| async move {
            let digest = client.digest(name, &tag).await;
            (tag, digest)
        };
        let mut of =
            Digests { found: tags.iter().map(|tag| (tag.clone(), None)).collect(), ..Default::default() };
        for (tag, to) in &mut of.found {
            *to = self.points_at(tag);
        }
        let mut asking = stream::iter(tags).map(ask).buffer_unordered(AT_ONCE);
        while let Some((tag, digest)) = asking.next().await {
            match digest {
                Ok(Pointed::At(digest)) => drop(of.found.insert(tag, Some(digest))),
                // The push may still be under way, or the tag is gone. It counts as gone if a second poll does not find
                // it.
                Ok(Pointed::Nowhere) => {
                    if self.repository.missing.contains(&tag) {
                        of.found.remove(&tag);
                    }
                    of.missing.insert(tag);
                }
                Err(error) if error.is_refusal() || matches!(error, RegistryError::Malformed { .. }) => {
                    if !self.repository.unresolved.contains(&tag) && of.found.get(&tag) == Some(&None) {
                        tracing::warn!("{error}; the tag is left out until that changes");
                    }
                }
                Err(error) => {
                    let is_everywhere = error.is_everywhere();
                    of.failure.get_or_insert(error);
                    if is_everywhere {
                        break;
                    }
                }
            }
        }
        of
    }

    /// Reads all unknown documents below these references, one level after another: indexes, then their images.
    /// Remembers an index only once all of its content is known.
    async fn documents(&mut self, leads: impl IntoIterator<Item = Lead>) -> Result<Documents, Closed> {
        let (mut failure, mut has_come) = (None, false);
        let mut indexes: Vec<(Digest, Vec<Digest>)> = Vec::new();
        let mut level: HashMap<Digest, Lead> = HashMap::new();
        for lead in leads {
            // If several references lead to one document, the first one counts, with its annotations.
            level.entry(lead.digest).or_insert(lead);
        }
        for depth in 0..=MAX_DEPTH {
            level.retain(|digest, _| !self.is_known(digest));
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
                (lead, document)
            };
            let mut reading =
                stream::iter(std::mem::take(&mut level).into_values()).map(read).buffer_unordered(AT_ONCE);
            while let Some((lead, document)) = reading.next().await {
                let digest = lead.digest;
                let was_withheld = self.repository.manifests.contains_key(&digest);
                has_come |= was_withheld && !matches!(document, Ok(Document::Withheld(_)) | Err(_));
                let known = match document {
                    Ok(Document::Image(image)) => {
                        let platform = self.platforms.shared(&image.platform);
                        self.sink.put(Observation::Image(image)).await?;
                        Known::Image(platform)
                    }
                    Ok(Document::Index(leads)) => {
                        let inside = self.inside(digest, leads, &mut level).await?;
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
                    Ok(Document::Withheld(reason)) => {
                        if !was_withheld {
                            self.letter(digest, reason, None).await?;
                        }
                        Known::Withheld(Box::new(lead))
                    }
                    Err(error) => {
                        failure.get_or_insert(error);
                        continue;
                    }
                };
                self.repository.manifests.insert(digest, known);
            }
        }
        // Inner indexes were read after the outer ones, so they come first here.
        for (digest, inside) in indexes.into_iter().rev() {
            if inside.iter().all(|inside| self.repository.manifests.contains_key(inside)) {
                self.repository.manifests.insert(digest, Known::Index(inside.into()));
                if let Some(images) = self.repository.images(&digest).filter(|images| !images.is_empty()) {
                    self.sink.put(Observation::ImageIndex(digest, images)).await?;
                }
            }
        }
        if has_come {
            // Indexes that were reported earlier may contain the documents that have now been delivered.
            let told: Vec<_> = self.repository.indexes().filter(|(_, images)| !images.is_empty()).collect();
            for (digest, images) in told {
                self.sink.put(Observation::ImageIndex(digest, images)).await?;
            }
        }
        Ok(Documents { failure, has_come })
    }

    fn is_known(&self, digest: &Digest) -> bool {
        self.repository.manifests.get(digest).is_some_and(|known| !matches!(known, Known::Withheld(_)))
    }

    /// Returns the content of an index. Puts the unknown part of it into the next level.
    async fn inside(
        &mut self,
        index: Digest,
        entries: Vec<Entry>,
        level: &mut HashMap<Digest, Lead>,
    ) -> Result<Vec<Digest>, Closed> {
        let (mut inside, mut seen, mut has_told) = (Vec::new(), HashSet::new(), false);
        for entry in entries {
            let lead = match entry {
                Entry::Lead(lead) => lead,
                Entry::NotAnImage(what) => {
                    self.sink.put(Observation::NotAnImage(what)).await?;
                    continue;
                }
                Entry::Unreadable(reason) => {
                    if !std::mem::replace(&mut has_told, true) {
                        self.letter(index, reason, None).await?;
                    }
                    continue;
                }
            };
            if !seen.insert(lead.digest) {
                continue;
            }
            inside.push(lead.digest);
            if self.repository.manifests.contains_key(&lead.digest) {
                // clade does not read the document again, but the claim of this index may be new.
                if let Some(claim) = lead.claim() {
                    self.sink.put(Observation::Claim(lead.digest, claim)).await?;
                }
            } else {
                level.entry(lead.digest).or_insert(lead);
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
        self.repository.manifests.insert(digest, Known::Unreadable);
        self.letter(digest, reason, value).await
    }

    /// Reports a dead letter about the document with this digest.
    async fn letter(&mut self, digest: Digest, reason: String, value: Option<&[u8]>) -> Result<(), Closed> {
        let place = format!("{}@{digest}", self.client.full_name(self.name));
        self.sink.put(Observation::Unreadable(DeadLetterRecord::new(place, None, reason, value))).await
    }

    /// Remembers the target of a tag, and the time if the target is new.
    fn set(&mut self, tag: String, to: Digest) {
        if self.points_at(&tag) == Some(to) {
            return;
        }
        // In whole seconds, as other sources report it.
        let now = Timestamp::now();
        let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.repository.tags.insert(tag, (to, since));
    }

    async fn tell_all(&mut self) -> Result<(), Closed> {
        let (source, full_name) = (&self.client.host, self.client.full_name(self.name));
        let names: BTreeSet<&String> = self.repository.tags.keys().collect();
        let known = names.iter().filter_map(|tag| self.repository.observed(source, &full_name, tag));
        let unknown = self.repository.unresolved.iter().filter(|tag| !names.contains(tag));
        let unknown = unknown.map(|tag| ObservedTag {
            source: Some(source.clone()),
            repository: full_name.clone(),
            tag: tag.clone(),
            items: Vec::new(),
        });
        let seen = Polled::Repository(full_name.clone(), known.chain(unknown).collect());
        let all = Observation::Polled { source: source.clone(), look: self.number, seen };
        self.sink.put(all).await?;
        self.repository.is_told = true;
        self.repository.is_to_confirm = true;
        self.sink.hand_on().await
    }

    /// Reports a tag if it leads to an image. Returns `true` if it does.
    async fn tell_one(&mut self, tag: &str) -> Result<bool, Closed> {
        let full_name = self.client.full_name(self.name);
        let Some(observed) = self.repository.observed(&self.client.host, &full_name, tag) else {
            return Ok(false);
        };
        self.sink.put(Observation::Tag(observed)).await?;
        Ok(true)
    }
}
