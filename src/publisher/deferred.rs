//! Puts moves of published tags off that an import reports, until the tags are written. They are merged in the order of the
//! tags' names then, in which the log has the records that have to be read for it. Read one by one as they come, these
//! records took most of the time of a large import.

use super::{PublishError, Publisher};
use crate::observe::{Observation, ObservedTag};

impl Publisher {
    /// Merges everything that was put off before an observation that may depend on it.
    pub(super) fn merge_before(&mut self, observation: &Observation) -> Result<(), PublishError> {
        let may_wait = match observation {
            Observation::Tag(seen) => seen.source.is_none(),
            // They are about no tag.
            Observation::Image(_)
            | Observation::Claim(..)
            | Observation::BuildConfig(_)
            | Observation::BuildConfigGone(_)
            | Observation::Workload(_)
            | Observation::WorkloadGone(..)
            | Observation::NotAnImage(_)
            | Observation::Unreadable(_) => true,
            _ => false,
        };
        while !may_wait && let Some((name, _)) = self.pending.deferred.first_key_value() {
            let name = name.clone();
            self.merge_deferred(&name)?;
        }
        Ok(())
    }

    /// Puts a move off, if it can wait; else returns it. A later move of the tag waits behind an earlier one.
    pub(super) fn defer(&mut self, name: &str, seen: ObservedTag) -> Option<ObservedTag> {
        let may_wait = seen.source.is_none()
            && !self.pending.tags.contains_key(name)
            && (self.pending.deferred.contains_key(name) || self.must_be_read(name));
        if !may_wait {
            return Some(seen);
        }
        self.pending.tag_items += weight(&seen);
        self.pending.deferred.entry(name.to_owned()).or_default().push(seen);
        None
    }

    /// Merges what was put off of a tag, in the order in which it came.
    pub(super) fn merge_deferred(&mut self, name: &str) -> Result<(), PublishError> {
        for seen in self.pending.deferred.remove(name).unwrap_or_default() {
            self.pending.tag_items = self.pending.tag_items.saturating_sub(weight(&seen));
            self.merge_tag(name, seen)?;
        }
        Ok(())
    }

    /// Merges what was put off of tags whose moves may concern a class.
    pub(super) fn merge_followed(&mut self) -> Result<(), PublishError> {
        let followed: Vec<String> =
            self.pending.deferred.keys().filter(|name| self.may_concern_class(name)).cloned().collect();
        followed.iter().try_for_each(|name| self.merge_deferred(name))
    }
}

/// What an observation counts for in the bound of what is pending: its items and their images, and one without any as well.
fn weight(seen: &ObservedTag) -> usize {
    let items = seen.items.iter().map(|item| 1 + item.images.len());
    items.sum::<usize>().max(1)
}
