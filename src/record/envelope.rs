//! From a value to a record and back.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::topic::Topic;

/// What is appended: a key, a value (`None` is a tombstone) and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What a compacted topic keeps the last record of.
    pub key: String,
    /// The value as JSON; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// The CloudEvents attributes, Kafka binary mode: `ce_id`, `ce_type` and so on.
    pub headers: Vec<(String, String)>,
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
    let json = serde_json::to_vec(value)?;
    Ok(Record { headers: headers::<V>(value.id(&json), &key, true), key, value: Some(json) })
}

/// The record that deletes `key` from a topic of `V`; `id` tells this deletion from others of the key.
pub fn tombstone<V: Value>(key: String, id: String) -> Record {
    Record { headers: headers::<V>(id, &key, false), key, value: None }
}

fn headers<V: Value>(id: String, subject: &str, has_content: bool) -> Vec<(String, String)> {
    let mut headers = vec![
        ("ce_specversion".to_owned(), "1.0".to_owned()),
        ("ce_id".to_owned(), id),
        ("ce_source".to_owned(), format!("/clade/{}", V::TOPIC)),
        (TYPE_HEADER.to_owned(), format!("{}.v{}", V::TYPE, V::VERSION)),
        ("ce_subject".to_owned(), subject.to_owned()),
    ];
    if has_content {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
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
