//! From a value to a record and back.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::topic::Topic;
use super::trace;

/// What is appended: a key, a value (`None` is a tombstone) and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What a compacted topic keeps the last record of.
    pub key: String,
    /// The value as JSON; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// The CloudEvents attributes, Kafka binary mode: `ce_id`, `ce_type` and so on.
    pub headers: Vec<(HeaderName, String)>,
}

/// The name of a header. Those of clade's own take no memory: every record has half a dozen of them.
pub type HeaderName = Cow<'static, str>;

/// A name as it was read.
pub fn header_name(name: &str) -> HeaderName {
    const KNOWN: [&str; 7] =
        ["ce_specversion", "ce_id", "ce_source", TYPE_HEADER, "ce_subject", "content-type", trace::HEADER];
    match KNOWN.into_iter().find(|known| *known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}

impl Record {
    /// The size of its key and value: what is bounded, and what a read counts.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// The value of a topic.
pub trait Value: Serialize + DeserializeOwned + JsonSchema {
    /// The topic it stands on.
    const TOPIC: Topic;
    /// The CloudEvents type without its version, as `dev.clade.image`.
    const TYPE: &'static str;
    /// The version of the format. A change that an old reader would misread makes a new one.
    const VERSION: u32;
    /// The CloudEvents id: the same for the same event, however often it is written. `json` is the value, encoded.
    fn id(&self, json: &[u8]) -> String;
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It was written in a format that this version of clade does not know.
    #[error(
        "the record has the type {found:?}; this version of clade reads {expected} up to version {version}: upgrade it"
    )]
    Version {
        /// What the record says.
        found: String,
        /// The type that was expected.
        expected: &'static str,
        /// The newest version known.
        version: u32,
    },
    /// It is not the JSON that its type says.
    #[error("the value is not a valid {0}: {1}")]
    Malformed(&'static str, serde_json::Error),
}

const TYPE_HEADER: &str = "ce_type";

/// The record that carries `value` under `key`.
pub fn encode<V: Value>(key: String, value: &V) -> Result<Record, serde_json::Error> {
    // Most records fit, and none has to be moved a few times while it grows.
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, value)?;
    Ok(Record { headers: headers::<V>(value.id(&json), &key, true), key, value: Some(json) })
}

/// The record that deletes `key` from a topic of `V`; `id` tells this deletion from others of the key.
pub fn tombstone<V: Value>(key: String, id: String) -> Record {
    Record { headers: headers::<V>(id, &key, false), key, value: None }
}

fn headers<V: Value>(id: String, subject: &str, has_content: bool) -> Vec<(HeaderName, String)> {
    let mut headers = Vec::with_capacity(7);
    headers.extend([
        (Cow::Borrowed("ce_specversion"), "1.0".to_owned()),
        (Cow::Borrowed("ce_id"), id),
        (Cow::Borrowed("ce_source"), format!("/clade/{}", V::TOPIC)),
        (Cow::Borrowed(TYPE_HEADER), format!("{}.v{}", V::TYPE, V::VERSION)),
        (Cow::Borrowed("ce_subject"), subject.to_owned()),
    ]);
    if has_content {
        headers.push((Cow::Borrowed("content-type"), "application/json".to_owned()));
    }
    headers
}

/// The value of `record`; `None` for a tombstone. A record without `ce_type` is taken as the current version.
pub fn decode<V: Value>(record: &Record) -> Result<Option<V>, DecodeError> {
    let Some(json) = &record.value else { return Ok(None) };
    if let Some((_, found)) = record.headers.iter().find(|(name, _)| name == TYPE_HEADER)
        && !is_known::<V>(found)
    {
        return Err(DecodeError::Version { found: found.clone(), expected: V::TYPE, version: V::VERSION });
    }
    serde_json::from_slice(json).map(Some).map_err(|error| DecodeError::Malformed(V::TYPE, error))
}

fn is_known<V: Value>(found: &str) -> bool {
    found
        .strip_prefix(V::TYPE)
        .and_then(|rest| rest.strip_prefix(".v"))
        .and_then(|version| version.parse::<u32>().ok())
        .is_some_and(|version| (1..=V::VERSION).contains(&version))
}
