//! Turns each record of the log into exactly one entry, even a record that cannot be read.
//!
//! An offset in the trail therefore proves that everything before it is there.

mod admissions;
mod catalog;
mod classifications;
mod decisions;
mod outdated;
mod own;
mod rebuilds;

use std::collections::BTreeMap;

use serde::Serialize;

use super::entry::{Entry, Facts, Source};
use crate::log::Stored;
use crate::oci::Timestamp;
use crate::record::{DecodeError, Topic};

pub use classifications::Classified;
pub use own::{PRUNED, Pruned, PrunedSegment, RESET, pruned, reset};

/// The last state of each key: the `from` of the next entry with that key. Only small topics have it. Images do not
/// need it: their transitions state the earlier standing. Workloads are too many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known(BTreeMap<String, Facts>);

impl Known {
    /// Restores the states from a segment's header.
    pub fn new(of: BTreeMap<String, Facts>) -> Self {
        Self(of)
    }

    /// The states, for the header of the next segment.
    pub fn facts(&self) -> &BTreeMap<String, Facts> {
        &self.0
    }

    /// Returns the entry for a record, and remembers its state for later entries.
    pub fn entry(&mut self, topic: Topic, partition: u16, stored: &Stored) -> Entry {
        let time = time(stored);
        let entry = match topic {
            Topic::Outdated => outdated::entry(time, stored),
            Topic::Classifications => classifications::entry(time, stored),
            Topic::Catalog => catalog::entry(self, time, stored),
            Topic::Decisions => decisions::entry(time, stored),
            Topic::Admissions => admissions::entry(time, stored),
            Topic::Rebuilds => rebuilds::entry(self, time, stored),
            _ => Err("this version of clade does not audit the topic".to_owned()),
        };
        let mut entry = entry.unwrap_or_else(|problem| unreadable(time, stored, problem));
        entry.source = Some(Source { topic, partition, offset: stored.offset });
        self.learn(&entry);
        entry
    }

    /// Takes an entry that was written, now or earlier.
    pub fn learn(&mut self, entry: &Entry) {
        let Some(key) = key(entry) else { return };
        match &entry.to {
            Some(to) => drop(self.0.insert(key, to.clone())),
            None => drop(self.0.remove(&key)),
        }
        // Targets of a rebuild that has ended do not change any more.
        if let (Some(rebuild), true) = (&entry.rebuild, rebuilds::is_end(&entry.what)) {
            let targets = format!("target/{rebuild}/");
            self.0.retain(|key, _| !key.starts_with(&targets));
        }
    }

    fn get(&self, key: &str) -> Option<Facts> {
        self.0.get(key).cloned()
    }
}

/// The time at which a record was appended. An invalid time becomes the Unix epoch.
pub fn time(stored: &Stored) -> Timestamp {
    Timestamp::from_millisecond(stored.timestamp).unwrap_or_default()
}

/// The key under which the state of an entry's subject is kept. Returns `None` if no state is kept for this kind.
fn key(entry: &Entry) -> Option<String> {
    let (kind, _) = entry.what.split_once('.')?;
    if let ("policy", Some(policy)) = (kind, &entry.policy) {
        return Some(format!("policy/{policy}"));
    }
    match (kind, &entry.class, &entry.group, &entry.rebuild, &entry.target) {
        ("class", Some(class), ..) if !entry.what.starts_with(catalog::VERSION) => {
            Some(format!("class/{class}"))
        }
        ("group", _, Some(group), ..) => Some(format!("group/{group}")),
        ("rebuild", .., Some(rebuild), Some(target)) => Some(format!("target/{rebuild}/{target}")),
        ("rebuild", .., Some(rebuild), None) => Some(format!("rebuild/{rebuild}")),
        _ => None,
    }
}

#[derive(Serialize)]
struct Unreadable<'a> {
    key: &'a str,
    problem: String,
}

fn unreadable(time: Timestamp, stored: &Stored, problem: String) -> Entry {
    // The key may be long, as any writer of the topic can choose it. The log has the whole record at this offset.
    let key: String = stored.record.key.chars().take(256).collect();
    Entry { why: Facts::of(&Unreadable { key: &key, problem }), ..Entry::new("record.unreadable", time) }
}

fn wrong(error: &DecodeError) -> String {
    error.to_string()
}

fn no_key(stored: &Stored) -> String {
    let key: String = stored.record.key.chars().take(256).collect();
    format!("the key {key:?} is none of this topic")
}
