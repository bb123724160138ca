//! Reads the digests that claims of images or imported histories name: earlier versions of a base that no tag points at
//! any more.
//!
//! The publisher says which digests it wants, and only of repositories whose tags a class follows. No other host is
//! asked, whatever a claim names.

use std::collections::BTreeSet;

use super::document::{Lead, Pointed};
use super::look::Look;
use super::sink::Closed;
use crate::oci::Digest;

/// The digests that one pass asks for, in all repositories together.
pub(super) struct Budget {
    pub(super) requests: usize,
    pub(super) failures: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { requests: 100, failures: 3 }
    }
}

impl Budget {
    pub(super) fn is_spent(&self) -> bool {
        self.requests == 0 || self.failures == 0
    }
}

impl Look<'_> {
    /// Reads the wanted digests that the repository has, each once. Forgets those that nobody wants any more. Returns
    /// `true` if it has read any.
    ///
    /// A failure never fails the pass, and few of them end the reading until the next one: whoever writes a claim must not
    /// be able to slow the watcher down.
    pub(super) async fn at_wanted(
        &mut self,
        wanted: &BTreeSet<Digest>,
        budget: &mut Budget,
    ) -> Result<bool, Closed> {
        let has_unwanted = self.repository.claimed.iter().any(|digest| !wanted.contains(digest));
        self.repository.not_there.retain(|digest, _| wanted.contains(digest));
        let (claimed, not_there) = (&self.repository.claimed, &self.repository.not_there);
        let is_new = |digest: &&Digest| !claimed.contains(digest) && not_there.get(digest) != Some(&true);
        let mut new: Vec<Digest> = wanted.iter().filter(is_new).copied().collect();
        // Those that fail each time must not keep the others from their turn.
        fastrand::shuffle(&mut new);
        let (mut has_read, mut are_all_asked) = (false, true);
        for digest in new {
            if budget.is_spent() {
                are_all_asked = false;
                break;
            }
            budget.requests -= 1;
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
                // clade believes the second one.
                Ok(_) => {
                    let is_second = self.repository.not_there.contains_key(&digest);
                    if is_second {
                        tracing::info!(
                            "the registry does not have {name}, which would be an earlier version of a class"
                        );
                    }
                    self.repository.not_there.insert(digest, is_second);
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                // A digest that the registry refuses for ever must not keep images that nobody wants any more.
                are_all_asked &= error.is_refusal();
                tracing::debug!("{error}; clade asks for {name} again in a later pass");
                budget.failures = if error.is_everywhere() { 0 } else { budget.failures - 1 };
            }
        }
        // Not before: an index that is still to be read may lead to an image that is known already.
        let forgets = has_unwanted && are_all_asked;
        if forgets {
            self.repository.claimed.retain(|digest| wanted.contains(digest));
            self.repository.forget_untagged();
        }
        self.sink.hand_on().await?;
        Ok(has_read || forgets)
    }
}
