//! One entry of the trail: when, what, of what, from what to what, why, on whose behalf, and by which record.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::oci::{Digest, Platform, Timestamp};
use crate::record::Topic;

/// An entry. Its members stand in the line in this order; those that say nothing are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts the entries of the trail, from 1, without a gap.
    pub seq: u64,
    /// When the record was appended to the log; of an entry without a record, when it was written. Milliseconds.
    #[serde(serialize_with = "millis")]
    pub time: Timestamp,
    /// What has happened, as `image.outdated`.
    pub what: Cow<'static, str>,
    /// The image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The class; of a rebuild, the one because of which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The rebuild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<String>,
    /// What is rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How it was before, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Facts>,
    /// How it is now; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Facts>,
    /// Why, and what proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Facts>,
    /// Who asked for it, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The record that says so; an entry of the auditor's own has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The hash of the line before.
    pub prev: Digest,
}

/// Where a record stands on the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u16,
    /// The offset.
    pub offset: u64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// A JSON object whose form depends on what has happened, as it stands in the line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(Box<RawValue>);

impl Facts {
    /// What `value` says; without anything if it cannot be JSON, as no type of this module.
    pub fn of(value: &impl Serialize) -> Option<Self> {
        serde_json::value::to_raw_value(value).ok().map(Self)
    }

    /// Reads it as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// One of its members, as text without quotes.
    pub fn member(&self, name: &str) -> Option<String> {
        match self.read::<serde_json::Map<String, serde_json::Value>>()?.remove(name)? {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// Its JSON.
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Entry {
    /// That something has happened. Its place in the chain is given to it when it is written.
    pub fn new(what: &'static str, time: Timestamp) -> Self {
        Self {
            seq: 0,
            time,
            what: Cow::Borrowed(what),
            image: None,
            platform: None,
            class: None,
            group: None,
            rebuild: None,
            target: None,
            from: None,
            to: None,
            why: None,
            on_behalf_of: None,
            source: None,
            prev: Digest::from_bytes([0; 32]),
        }
    }
}

/// Always three digits, so that equal moments are equal texts.
pub(super) fn millis<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}
