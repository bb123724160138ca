//! One look at a repository: at its tags (`poll`), or at digests that claims name (`claimed`). Both read the documents
//! behind digests (`documents`).

use super::client::Client;
use super::known::{Platforms, Repository};
use super::sink::Sink;
use super::{Pattern, RegistryError};

/// Requests that a look prepares at once. The pace of the client decides how many run.
pub(super) const AT_ONCE: usize = 8;

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

/// The result of reading documents.
pub(super) struct Documents {
    pub(super) failure: Option<RegistryError>,
    /// `true` if the registry has delivered a document that it withheld before.
    pub(super) has_come: bool,
}
