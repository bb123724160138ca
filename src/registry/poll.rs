//! One poll of a repository: the tags that it has, the target of each, and the documents that are not known yet.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use super::RegistryError;
use super::document::{Lead, Pointed};
use super::look::{AT_ONCE, Documents, Look, Outcome};
use super::pattern::any_matches;
use super::sink::Closed;
use crate::observe::{Observation, ObservedTag, Polled};
use crate::oci::Digest;
use crate::oci::document::not_an_image_tag;
use crate::record::Timestamp;

/// The targets of tags.
#[derive(Default)]
struct Digests {
    /// The tags that exist. The digest is `None` if neither this poll nor an earlier one could resolve the tag.
    found: BTreeMap<String, Option<Digest>>,
    /// The tags that the registry lists and did not find.
    missing: BTreeSet<String>,
    failure: Option<RegistryError>,
}

impl Look<'_> {
    /// Polls all tags. A tag that the registry does not list is gone, even if other parts of the poll fail.
    pub(super) async fn at_all(&mut self) -> Result<Outcome, Closed> {
        let listed = match self.client.tags(self.name).await {
            Ok(listed) => listed,
            Err(error) => {
                // An earlier poll may have found no such repository. That counts only if this one does not find it either.
                self.repository.is_absent = false;
                self.repository.is_partial = true;
                return Ok(if error.is_refusal() { self.refused(&error) } else { Outcome::Failed(error) });
            }
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
            || !self.repository.doubted.is_empty()
            || was_absent != self.repository.is_absent;
        self.repository.missing = missing;
        let withheld = self.repository.withheld();
        let is_settled = failure.is_none() && !has_changed && self.repository.is_told;
        if is_settled && withheld.is_empty() {
            if self.repository.is_to_confirm {
                self.tell_all().await?;
                self.repository.is_to_confirm = false;
            }
            return Ok(self.settled());
        }
        let roots = found.values().flatten().map(|digest| Lead::to(*digest));
        let Documents { failure: of_documents, has_come } =
            self.documents(withheld.into_iter().chain(roots)).await?;
        let failure = failure.or(of_documents);
        if is_settled && failure.is_none() && !has_come {
            return Ok(self.settled());
        }
        self.repository.tags.retain(|tag, _| found.contains_key(tag));
        self.repository.unresolved.clear();
        let doubted = std::mem::take(&mut self.repository.doubted);
        for (tag, to) in found {
            match to.filter(|to| self.repository.images(to).is_some()) {
                Some(to) if self.is_doubtful(&tag, &to) && doubted.get(&tag) != Some(&to) => {
                    self.repository.doubted.insert(tag, to);
                }
                Some(to) => self.set(tag, to),
                None => {
                    // A target that was published before this start and was never read since is none: the tag has still
                    // to be resolved.
                    if self.points_at(&tag).is_some_and(|known| self.repository.images(&known).is_none()) {
                        self.repository.tags.remove(&tag);
                    }
                    self.repository.unresolved.insert(tag);
                }
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

    /// Handles a poll that saw what the one before saw. What it was refused was refused before as well, and hides nothing
    /// any more: otherwise one document that is refused for ever would keep all images that were deleted beside it.
    fn settled(&mut self) -> Outcome {
        if std::mem::take(&mut self.repository.is_partial) { Outcome::Changed } else { Outcome::Unchanged }
    }

    /// Handles a refusal of the repository. Its facts stay as they are, and the watcher goes on with the other
    /// repositories.
    fn refused(&mut self, error: &RegistryError) -> Outcome {
        let error = error.to_string();
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
        if self.is_doubtful(tag, &to) {
            return self.at_all().await;
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

    /// Returns `true` if a tag that led to known documents has moved to one that the registry does not deliver. Whoever
    /// answered may have named a wrong digest, and a class whose tag leads nowhere has no current version.
    fn is_doubtful(&self, tag: &str, to: &Digest) -> bool {
        let leads_elsewhere = |known: Digest| known != *to && self.repository.images(&known).is_some();
        self.repository.is_withheld(to) && self.points_at(tag).is_some_and(leads_elsewhere)
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
            complete: false,
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
