//! Encodes values as records and decodes them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::header::{self, Header};
use super::topic::Topic;

/// A record to append: a key, a value (`None` is a tombstone) and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key. A compacted topic keeps the last record of each key.
    pub key: String,
    /// The value as JSON; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// The CloudEvents attributes, Kafka binary mode: `ce_id`, `ce_type` and so on.
    pub headers: Vec<Header>,
}

impl Record {
    /// The size of key and value in bytes. Limits on records and reads count this size.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// A value that a topic carries.
pub trait Value: Serialize + DeserializeOwned + JsonSchema {
    /// The topic of the value.
    const TOPIC: Topic;
    /// The CloudEvents type with the version of the format, as `dev.clade.image.v1`. A change that an old reader would
    /// misread needs a new version.
    const TYPE: &'static str;
    /// Returns the CloudEvents ID. Equal events have equal IDs, however often they are written. `json` is the encoded
    /// value.
    fn id(&self, json: &[u8]) -> String;
}

/// A reason why a record cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The record has a format that this version of clade does not know.
    #[error(
        "the record has the type {found:?}; this version of clade reads {expected} up to version {version}: upgrade it"
    )]
    Version {
        /// The type of the record.
        found: String,
        /// The type that was expected.
        expected: &'static str,
        /// The newest version that this program knows.
        version: u32,
    },
    /// The value is not the JSON that its type requires.
    #[error("the value is not a valid {0}: {1}")]
    Malformed(&'static str, serde_json::Error),
}

/// Returns the CloudEvents type of `V` without its version, and the version.
pub fn type_and_version<V: Value>() -> (&'static str, u32) {
    let (name, version) = V::TYPE.rsplit_once(".v").unwrap_or((V::TYPE, ""));
    (name, version.parse().unwrap_or(1))
}

/// Returns the record that carries `value` under `key`.
pub fn encode<V: Value>(key: String, value: &V) -> Result<Record, serde_json::Error> {
    // Most records fit, so the buffer rarely moves while it grows.
    let mut json = Vec::with_capacity(2048);
    serde_json::to_writer(&mut json, value)?;
    Ok(Record { headers: headers::<V>(value.id(&json), &key, true), key, value: Some(json) })
}

/// Returns the record that deletes `key` from a topic of `V`. `id` distinguishes this deletion from other deletions of
/// the key.
pub fn tombstone<V: Value>(key: String, id: String) -> Record {
    Record { headers: headers::<V>(id, &key, false), key, value: None }
}

fn headers<V: Value>(id: String, subject: &str, has_content: bool) -> Vec<Header> {
    let mut headers = Vec::with_capacity(7);
    headers.extend([
        (Cow::Borrowed(header::SPEC_VERSION), Cow::Borrowed(header::SPEC_VERSION_1)),
        (Cow::Borrowed(header::ID), Cow::Owned(id)),
        (Cow::Borrowed(header::SOURCE), Cow::Borrowed(V::TOPIC.source())),
        (Cow::Borrowed(header::TYPE), Cow::Borrowed(V::TYPE)),
        (Cow::Borrowed(header::SUBJECT), Cow::Owned(subject.to_owned())),
    ]);
    if has_content {
        headers.push((Cow::Borrowed(header::CONTENT_TYPE), Cow::Borrowed(header::JSON)));
    }
    headers
}

/// Returns the value of `record`, or `None` for a tombstone. A record without `ce_type` counts as the current version.
pub fn decode<V: Value>(record: &Record) -> Result<Option<V>, DecodeError> {
    let Some(json) = &record.value else { return Ok(None) };
    let (expected, version) = type_and_version::<V>();
    if let Some((_, found)) = record.headers.iter().find(|(name, _)| name == header::TYPE)
        && found != V::TYPE
        && !is_known(found, expected, version)
    {
        return Err(DecodeError::Version { found: found.clone().into_owned(), expected, version });
    }
    serde_json::from_slice(json).map(Some).map_err(|error| DecodeError::Malformed(expected, error))
}

/// Returns `true` if the record says that it has a value of `V`, in whatever version. For topics whose records have
/// several types.
pub fn has_type<V: Value>(record: &Record) -> bool {
    let stated = record.headers.iter().find(|(name, _)| name == header::TYPE);
    let (name, _) = type_and_version::<V>();
    stated.and_then(|(_, stated)| stated.rsplit_once(".v")).is_some_and(|(stated, _)| stated == name)
}

fn is_known(found: &str, expected: &str, newest: u32) -> bool {
    found
        .strip_prefix(expected)
        .and_then(|rest| rest.strip_prefix(".v"))
        .and_then(|version| version.parse::<u32>().ok())
        .is_some_and(|version| (1..=newest).contains(&version))
}
