//! Reads the digests that claims of images name: earlier versions of a base that no tag points at any more.
//!
//! The publisher says which digests it wants, and only of repositories whose tags a class follows. No other host is
//! asked, whatever a claim names.

use std::collections::BTreeSet;

use super::document::{Lead, Pointed};
use super::look::Look;
use super::sink::Closed;
use crate::oci::Digest;

/// Digests that one pass asks of a repository, at most; the next pass asks for others.
const AT_ONCE: usize = 100;

impl Look<'_> {
    /// Reads the wanted digests that the repository has, each once. Forgets those that nobody wants any more. Returns
    /// `true` if it has read any.
    ///
    /// A failure never fails the pass: whoever writes a claim must not be able to slow the watcher down.
    pub(super) async fn at_wanted(&mut self, wanted: &BTreeSet<Digest>) -> Result<bool, Closed> {
        self.repository.claimed.retain(|digest| wanted.contains(digest));
        self.repository.not_there.retain(|digest| wanted.contains(digest));
        let (claimed, not_there) = (&self.repository.claimed, &self.repository.not_there);
        let is_new = |digest: &&Digest| !claimed.contains(digest) && !not_there.contains(digest);
        let new: Vec<Digest> = wanted.iter().filter(is_new).take(AT_ONCE).copied().collect();
        let mut has_read = false;
        for digest in new {
            let name = format!("{}@{digest}", self.client.full_name(self.name));
            let failure = match self.client.digest(self.name, &digest.to_string()).await {
                Ok(Pointed::At(found)) if found == digest => {
                    let failure = self.documents([Lead::to(digest)]).await?.failure;
                    if failure.is_none() {
                        self.repository.claimed.insert(digest);
                        has_read = true;
                    }
                    failure
                }
                Ok(_) => {
                    tracing::info!("images claim to be built on {name}, which the registry does not have");
                    self.repository.not_there.insert(digest);
                    None
                }
                Err(error) if error.is_refusal() => {
                    tracing::info!("images claim to be built on {name}: {error}");
                    self.repository.not_there.insert(digest);
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                tracing::debug!("{error}; clade asks for {name} again in the next pass");
                if error.is_everywhere() {
                    break;
                }
            }
        }
        self.sink.hand_on().await?;
        Ok(has_read)
    }
}
