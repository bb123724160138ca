//! From a record of the log to an entry: every record has exactly one, also one that cannot be read.
//!
//! That is what lets an offset in the trail say that everything before it is there.

mod catalog;
mod classifications;
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

/// What stood on the log last, by the record's key: what the next entry of the same says as `from`. Only of topics that are
/// small; images have transitions, which say it themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known(BTreeMap<String, Facts>);

impl Known {
    /// What a segment's header says.
    pub fn new(of: BTreeMap<String, Facts>) -> Self {
        Self(of)
    }

    /// For the header of the next segment.
    pub fn facts(&self) -> &BTreeMap<String, Facts> {
        &self.0
    }

    /// The entry for a record, and what follows from it for later ones.
    pub fn entry(&mut self, topic: Topic, partition: u16, stored: &Stored) -> Entry {
        let time = time(stored);
        let entry = match topic {
            Topic::Outdated => outdated::entry(time, stored),
            Topic::Classifications => classifications::entry(time, stored),
            Topic::Catalog => catalog::entry(self, time, stored),
            Topic::Rebuilds => rebuilds::entry(self, time, stored),
            _ => Err("this version of clade does not audit the topic".to_owned()),
        };
        let mut entry = entry.unwrap_or_else(|problem| unreadable(time, stored, problem));
        entry.source = Some(Source { topic, partition, offset: stored.offset });
        self.learn(&entry);
        entry
    }

    /// Takes an entry in, as it was written now or earlier.
    pub fn learn(&mut self, entry: &Entry) {
        let Some(key) = key(entry) else { return };
        match &entry.to {
            Some(to) => drop(self.0.insert(key, to.clone())),
            None => drop(self.0.remove(&key)),
        }
        // Nothing happens to the targets of a rebuild that has ended.
        if let (Some(rebuild), true) = (&entry.rebuild, rebuilds::is_end(&entry.what)) {
            let targets = format!("target/{rebuild}/");
            self.0.retain(|key, _| !key.starts_with(&targets));
        }
    }

    fn get(&self, key: &str) -> Option<Facts> {
        self.0.get(key).cloned()
    }
}

/// When a record was appended; of one that says nonsense, the beginning of time.
pub fn time(stored: &Stored) -> Timestamp {
    Timestamp::from_millisecond(stored.timestamp).unwrap_or_default()
}

/// Under what it is known what an entry is of; `None` if nothing is kept of such things.
fn key(entry: &Entry) -> Option<String> {
    let (kind, _) = entry.what.split_once('.')?;
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
    // Whoever may write there could write much: what it was stands on the log, under the offset.
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
