//! An event: a record with its place, and the forms in which it is written.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::log::{Offset, Stored, TopicPartition};
use crate::record::{
    AdmissionRecord, BuildConfigRecord, CatalogRecord, ClassificationRecord, DeadLetterRecord,
    DecisionRecord, ImageRecord, ProgressRecord, RebuildsRecord, Record, TagHistoryRecord, TagRecord,
    Timestamp, Topic, TransitionRecord, Value, WorkloadRecord, decode, has_type,
};

/// A record of a topic, as a subscriber receives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The partition.
    pub of: TopicPartition,
    /// The offset in the partition.
    pub offset: Offset,
    /// The time at which the record was appended.
    pub time: Timestamp,
    /// The record: key, value and headers.
    pub record: Record,
    /// The decoded value.
    pub content: Content,
    /// With a filter: `true` if the key matched before, or may have, and does not match any more. A subscriber that
    /// keeps events by key removes the key. Never set without a filter.
    pub left: bool,
}

/// The decoded value of an event, by topic.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// `classifications`: the classification of an image.
    Classification(Box<ClassificationRecord>),
    /// `outdated`: an image entered or left a class, or became outdated or current in it.
    Transition(Box<TransitionRecord>),
    /// `decisions`: what policies say of a workload.
    Decision(Box<DecisionRecord>),
    /// `admissions`: a pod that the admission webhook did not simply allow.
    Admission(Box<AdmissionRecord>),
    /// `rebuilds`: a rebuild, or one of its targets.
    Rebuild(Box<RebuildsRecord>),
    /// `catalog`: a class, a version of one, or a group.
    Catalog(Box<CatalogRecord>),
    /// `dead-letters`: an input that could not be read, and the reason.
    DeadLetter(Box<DeadLetterRecord>),
    /// `images`.
    Image(Box<ImageRecord>),
    /// `tags`: a tag.
    Tag(Box<TagRecord>),
    /// `tags`: a part of the history of a tag.
    TagHistory(Box<TagHistoryRecord>),
    /// `buildconfigs`.
    BuildConfig(Box<BuildConfigRecord>),
    /// `workloads`: what runs.
    Workload(Box<WorkloadRecord>),
    /// `progress`.
    Progress(Box<ProgressRecord>),
    /// A tombstone of this topic: the key is deleted.
    Tombstone(Topic),
    /// The record cannot be decoded, for this reason: a foreign program or a later version of clade has written it. No
    /// filter holds it back.
    Unreadable(String),
}

impl Content {
    fn of(topic: Topic, record: &Record) -> Self {
        fn read<V: Value>(record: &Record, content: fn(Box<V>) -> Content) -> Content {
            match decode::<V>(record) {
                Ok(Some(value)) => content(Box::new(value)),
                Ok(None) => Content::Tombstone(V::TOPIC),
                Err(error) => Content::Unreadable(error.to_string()),
            }
        }
        match topic {
            Topic::Classifications => read(record, Self::Classification),
            Topic::Outdated => read(record, Self::Transition),
            Topic::Decisions => read(record, Self::Decision),
            Topic::Admissions => read(record, Self::Admission),
            Topic::Rebuilds => read(record, Self::Rebuild),
            Topic::Catalog => read(record, Self::Catalog),
            Topic::DeadLetters => read(record, Self::DeadLetter),
            Topic::Images => read(record, Self::Image),
            Topic::Tags if has_type::<TagHistoryRecord>(record) => read(record, Self::TagHistory),
            Topic::Tags => read(record, Self::Tag),
            Topic::Buildconfigs => read(record, Self::BuildConfig),
            Topic::Workloads => read(record, Self::Workload),
            Topic::Progress => read(record, Self::Progress),
        }
    }
}

/// The output form of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The form of [`Event::plain`].
    #[default]
    Plain,
    /// The form of [`Event::cloud_event`].
    CloudEvents,
}

/// An event in clade's own form.
#[derive(Debug, Serialize)]
pub struct Plain<'a> {
    topic: &'a str,
    partition: u16,
    offset: Offset,
    time: String,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    key: &'a str,
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "is_false")]
    left: bool,
}

/// An event as CloudEvents 1.0 in JSON, structured mode.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'static str>,
    /// Extensions with the place of the record. An Integer of CloudEvents has 32 bits, so the offset is a String.
    partition: u16,
    offset: String,
    #[serde(skip_serializing_if = "is_false")]
    left: bool,
    /// The extension of W3C Trace Context.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// A value that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Event {
    pub(super) fn new(of: TopicPartition, stored: Stored) -> Self {
        Self {
            of,
            offset: stored.offset,
            time: Timestamp::from_millisecond(stored.timestamp).unwrap_or_default(),
            content: Content::of(of.topic, &stored.record),
            record: stored.record,
            left: false,
        }
    }

    /// The key. A compacted topic keeps the last record of each key.
    pub fn key(&self) -> &str {
        &self.record.key
    }

    /// The CloudEvents ID. Equal events have equal IDs, however often they are written. `None` for a record that clade
    /// did not write.
    pub fn id(&self) -> Option<&str> {
        self.header("ce_id")
    }

    /// The CloudEvents type with the version of the format, as `dev.clade.outdated.v1`.
    pub fn kind(&self) -> Option<&str> {
        self.header("ce_type")
    }

    /// Returns one line of JSON, with its line feed.
    pub fn line(&self, form: Form) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = match form {
            Form::Plain => serde_json::to_vec(&self.plain()),
            Form::CloudEvents => serde_json::to_vec(&self.cloud_event()),
        }?;
        line.push(b'\n');
        Ok(line)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.record.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    fn data(&self) -> Option<&RawValue> {
        self.record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok())
    }

    /// The value with its place, to be encoded as JSON.
    pub fn plain(&self) -> Plain<'_> {
        Plain {
            topic: self.of.topic.name(),
            partition: self.of.partition,
            offset: self.offset,
            time: self.time.to_string(),
            id: self.id().unwrap_or_default(),
            kind: self.kind().unwrap_or_default(),
            key: self.key(),
            data: self.data(),
            left: self.left,
        }
    }

    /// The CloudEvent, to be encoded as JSON. A tombstone has no data. For a record that clade did not write, missing
    /// attributes are derived from its place and topic.
    pub fn cloud_event(&self) -> CloudEvent<'_> {
        let (topic, data) = (self.of.topic, self.data());
        let bytes = self.record.value.as_ref().filter(|_| data.is_none());
        let place = || format!("{}@{}", self.of, self.offset);
        let datacontenttype = match (data.is_some(), bytes.is_some()) {
            (true, _) => Some("application/json"),
            (false, true) => Some("application/octet-stream"),
            (false, false) => None,
        };
        CloudEvent {
            specversion: "1.0",
            id: self.id().map_or_else(place, str::to_owned),
            source: self.header("ce_source").map_or_else(|| format!("/clade/{topic}"), str::to_owned),
            kind: self.kind().map_or_else(|| format!("dev.clade.{topic}"), str::to_owned),
            // Never empty, as the specification requires.
            subject: self
                .header("ce_subject")
                .or(Some(self.key()).filter(|key| !key.is_empty()))
                .unwrap_or("-"),
            time: self.time.to_string(),
            datacontenttype,
            partition: self.of.partition,
            offset: self.offset.to_string(),
            left: self.left,
            traceparent: self.header("traceparent"),
            data,
            data_base64: bytes.map(|bytes| BASE64.encode(bytes)),
        }
    }
}
