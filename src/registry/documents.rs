//! Reads the documents that a repository's references lead to, as far as they are not known: indexes, then their images.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _};

use super::document::{Document, Entry, Lead};
use super::known::Known;
use super::look::{AT_ONCE, Documents, Look};
use super::sink::Closed;
use crate::observe::Observation;
use crate::oci::Digest;
use crate::record::{Claim, DeadLetterRecord};
use crate::source::manifest::MAX_DEPTH;

impl Look<'_> {
    /// Reads all unknown documents below these references, one level after another: indexes, then their images.
    /// Remembers an index only once all of its content is known.
    pub(super) async fn documents(
        &mut self,
        leads: impl IntoIterator<Item = Lead>,
    ) -> Result<Documents, Closed> {
        let (mut failure, mut has_come) = (None, false);
        let mut indexes: Vec<(Digest, Vec<Digest>)> = Vec::new();
        let mut claims: Vec<(Digest, Claim)> = Vec::new();
        let mut level: HashMap<Digest, Lead> = HashMap::new();
        for lead in leads {
            // If several references lead to one document, the first one counts, with its annotations.
            level.entry(lead.digest).or_insert(lead);
        }
        for depth in 0..=MAX_DEPTH {
            level.retain(|_, lead| !self.is_known(lead));
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
                    Ok(Document::Attestation(image, of_image, is_read)) => {
                        self.sink.put(Observation::NotAnImage("attestation manifest")).await?;
                        claims.extend(of_image.into_iter().map(|claim| (image, claim)));
                        Known::Attestation { is_read }
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
        // Whoever wrote the index may have named anything as the subject of an attestation.
        let is_image = |image: &Digest| matches!(self.repository.manifests.get(image), Some(Known::Image(_)));
        claims.retain(|(image, _)| is_image(image));
        for (image, claim) in claims {
            self.sink.put(Observation::Claim(image, claim)).await?;
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

    fn is_known(&self, lead: &Lead) -> bool {
        match self.repository.manifests.get(&lead.digest) {
            None | Some(Known::Withheld(_)) => false,
            Some(Known::Attestation { .. }) => lead.is_attestation(),
            Some(_) => true,
        }
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
            if self.is_known(&lead) {
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
}
