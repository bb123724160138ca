//! Looking at one repository: which tags it has, where each leads, and what is there that was not known.

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

/// Requests that are prepared at once; how many run, the client's pace says.
const AT_ONCE: usize = 8;

/// What a look came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is as it was.
    Unchanged,
    /// Something was told.
    Changed,
    /// Something could not be found out. What could was told, and the rest counts as it was.
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
    /// Counts the looks at the whole registry.
    pub(super) number: u64,
}

/// Where tags point.
#[derive(Default)]
struct Digests {
    /// Those that are there. None where that could not be found out and was not known.
    found: BTreeMap<String, Option<Digest>>,
    /// Those that are listed and were not found.
    missing: BTreeSet<String>,
    failure: Option<RegistryError>,
}

/// What came of reading documents.
struct Documents {
    failure: Option<RegistryError>,
    /// Whether one was given that had been withheld.
    has_come: bool,
}

impl Look<'_> {
    /// Looks at all tags. What is not listed is gone, whatever else cannot be found out.
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

    /// The registry says that the repository is not for us: what is known of it stays, and the others are looked at.
    fn refused(&mut self, error: &RegistryError) -> Outcome {
        let error = error.to_string();
        self.repository.is_partial = true;
        if self.repository.refusal.as_ref() != Some(&error) {
            tracing::warn!("{error}; what is known of {} stays as it is", self.client.full_name(self.name));
            self.repository.refusal = Some(error);
        }
        Outcome::Unchanged
    }

    /// Looks at one tag, which has just been pushed; at all if it is not there.
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
            // What was read is known from now on, and not read again.
            self.sink.hand_on().await?;
            return Ok(Outcome::Failed(failure));
        }
        self.repository.is_absent = false;
        self.set(tag.to_owned(), to);
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

    /// Where the tags point. What cannot be found out of one is left as it was, with the reason.
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
                // It may be on its way, or gone. The second time it is gone.
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

    /// Reads all that is not known below these, one level after another: indexes, then their images. What an index
    /// is, is remembered only once all of it is known.
    async fn documents(&mut self, leads: impl IntoIterator<Item = Lead>) -> Result<Documents, Closed> {
        let (mut failure, mut has_come) = (None, false);
        let mut indexes: Vec<(Digest, Vec<Digest>)> = Vec::new();
        let mut level: HashMap<Digest, Lead> = HashMap::new();
        for lead in leads {
            // What was said of it where it was found first is kept.
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
        // Those inside of others were read after them.
        for (digest, inside) in indexes.into_iter().rev() {
            if inside.iter().all(|inside| self.repository.manifests.contains_key(inside)) {
                self.repository.manifests.insert(digest, Known::Index(inside.into()));
                if let Some(images) = self.repository.images(&digest).filter(|images| !images.is_empty()) {
                    self.sink.put(Observation::ImageIndex(digest, images)).await?;
                }
            }
        }
        if has_come {
            // What has come may be in indexes that were told without it.
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

    /// What lies in an index. What is not known of it is put into the next level.
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
                // It is not read again, and what is claimed of it here may be new.
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

    /// A dead letter for what this digest is called by.
    async fn letter(&mut self, digest: Digest, reason: String, value: Option<&[u8]>) -> Result<(), Closed> {
        let place = format!("{}@{digest}", self.client.full_name(self.name));
        self.sink.put(Observation::Unreadable(DeadLetterRecord::new(place, None, reason, value))).await
    }

    /// Remembers where a tag points, and since when if that is new.
    fn set(&mut self, tag: String, to: Digest) {
        if self.points_at(&tag) == Some(to) {
            return;
        }
        // No finer than other sources tell it.
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
