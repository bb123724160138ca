//! One entry of the trail: its time, kind, subject, the state before and after, the reason, the requester and the
//! record.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::oci::{Digest, Platform, Timestamp};
use crate::record::Topic;

/// An entry. Its members stand in the line in this order; empty members are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The number of the entry in the trail, from 1, without a gap.
    pub seq: u64,
    /// The time at which the record was appended to the log. For an entry without a record, the time of writing.
    /// Milliseconds.
    #[serde(serialize_with = "millis")]
    pub time: Timestamp,
    /// The kind of the event, as `image.outdated`.
    pub what: Cow<'static, str>,
    /// The image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
    /// The platform of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The class. For a rebuild, the class that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The workload, by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The rebuild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<String>,
    /// The target of the rebuild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The state before, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Facts>,
    /// The state now. Absent if the subject is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Facts>,
    /// The reason and the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Facts>,
    /// The requester, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The record behind the entry. The auditor's own entries have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The hash of the previous line.
    pub prev: Digest,
}

/// The place of a record on the log.
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

/// A JSON object as it stands in the line. Its form depends on the kind of the event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(Box<RawValue>);

impl Facts {
    /// Encodes `value`. Returns `None` if JSON cannot express it, which holds for no type of this module.
    pub fn of(value: &impl Serialize) -> Option<Self> {
        serde_json::value::to_raw_value(value).ok().map(Self)
    }

    /// Decodes the object as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// Returns one member as text without quotes.
    pub fn member(&self, name: &str) -> Option<String> {
        match self.read::<serde_json::Map<String, serde_json::Value>>()?.remove(name)? {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The JSON text.
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
    /// Returns an entry of this kind. Its place in the chain is set when it is written.
    pub fn new(what: &'static str, time: Timestamp) -> Self {
        Self {
            seq: 0,
            time,
            what: Cow::Borrowed(what),
            image: None,
            platform: None,
            class: None,
            group: None,
            policy: None,
            workload: None,
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

/// Always three digits, so that equal times are equal texts.
pub(super) fn millis<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}
