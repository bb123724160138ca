//! A pass over all repositories of a registry that is under way.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::RegistryError;

/// After this many failures in a row, the watcher leaves the other repositories for the next pass.
const MOST_FAILURES: usize = 20;

/// A pass that is under way.
#[derive(Default)]
pub(super) struct Pass {
    /// `true` once the list of repositories has been read or has failed.
    pub(super) is_listed: bool,
    /// The repositories that the pass has not polled yet.
    pub(super) queue: VecDeque<String>,
    /// The repositories that the pass polls now.
    pub(super) under_way: HashSet<String>,
    /// The repositories that exist. `None` if the list has failed.
    pub(super) names: Option<BTreeSet<String>>,
    /// The number of failures, and of those since the last success.
    pub(super) failures: usize,
    pub(super) in_a_row: usize,
    /// The first repository that the pass left for the next one.
    pub(super) left: Option<String>,
    pub(super) first_failure: Option<RegistryError>,
}

impl Pass {
    pub(super) fn fail(&mut self, error: RegistryError) {
        self.failures += 1;
        self.in_a_row += 1;
        if error.is_everywhere() || self.in_a_row >= MOST_FAILURES {
            self.left = self.queue.front().cloned().or(self.left.take());
            self.queue.clear();
        }
        self.first_failure.get_or_insert(error);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_listed && self.queue.is_empty() && self.under_way.is_empty()
    }
}
