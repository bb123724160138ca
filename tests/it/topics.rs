//! `topics/` says what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clade::log::MAX_RECORD_BYTES;
use clade::record::{
    BuildConfigRecord, CatalogRecord, ClassificationRecord, Cleanup, DeadLetterRecord, DecisionRecord,
    DecodeError, ImageRecord, ProgressRecord, RebuildsRecord, Record, TagHistoryRecord, TagRecord, Topic,
    TransitionRecord, Value, WorkloadRecord, decode, encode, has_type, type_and_version,
};
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: String,
    description: String,
    key: String,
    partitions: Json,
    cleanup: Cleanup,
    retention_days: i64,
    config: BTreeMap<String, Json>,
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    schema: String,
    /// Other types of values that the topic has.
    #[serde(default)]
    also: Vec<Also>,
    producers: Vec<String>,
    consumers: Vec<String>,
    examples: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    schema: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    key: String,
    headers: BTreeMap<String, String>,
    value: Option<Json>,
}

impl Example {
    fn record(&self) -> Record {
        Record {
            key: self.key.clone(),
            value: self.value.as_ref().map(|value| serde_json::to_vec(value).unwrap()),
            headers: self
                .headers
                .clone()
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("topics")
}

fn file(topic: Topic) -> File {
    let path = folder().join(format!("{topic}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_topic_has_a_file_and_every_file_a_topic() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, Topic::ALL.iter().map(ToString::to_string).collect());
}

#[test]
fn a_topics_file_says_what_the_code_does() {
    for topic in Topic::ALL {
        let file = file(topic);
        assert_eq!(file.name, topic.name());
        assert_eq!(file.cleanup, topic.cleanup(), "{topic}");
        assert_eq!(file.retention_days * 24 * 60 * 60 * 1000, topic.retention_ms(), "{topic}");
        let partitions = if topic.is_partitioned() { "by first layer".into() } else { Json::from(1) };
        assert_eq!(file.partitions, partitions, "{topic}");
        let settings: BTreeMap<String, String> =
            topic.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let written: BTreeMap<String, String> =
            file.config.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        assert_eq!(written, settings, "{topic}");
        // A batch of one record takes some bytes more than the record.
        assert!(file.config["max.message.bytes"].as_u64().unwrap() > MAX_RECORD_BYTES as u64);
        for text in [&file.description, &file.key] {
            assert!(text.ends_with('.'), "{topic}: {text:?} is a sentence");
        }
        assert!(!file.producers.is_empty() && !file.consumers.is_empty() && !file.examples.is_empty());
    }
}

/// Checks everything about one topic that depends on the type of its values.
fn check<V: Value + PartialEq + std::fmt::Debug>() {
    let file = file(V::TOPIC);
    let also = file.also.iter().map(|also| (also.kind.as_str(), also.version, &also.schema));
    let mut types = also.chain([(file.kind.as_str(), file.version, &file.schema)]);
    let (kind, version) = type_and_version::<V>();
    let (.., schema) = types.find(|of| (of.0, of.1) == (kind, version)).expect("the file has the type");
    let records = file.examples.iter().map(|example| (example, example.record()));
    let mut is_any = false;
    for (example, record) in records.filter(|(_, record)| has_type::<V>(record)) {
        is_any = true;
        let value =
            decode::<V>(&record).unwrap_or_else(|error| panic!("{} {}: {error}", file.name, record.key));
        let Some(value) = value else { continue };
        let again = encode(record.key.clone(), &value).unwrap();
        let json: Json = serde_json::from_slice(again.value.as_deref().unwrap()).unwrap();
        assert_eq!(Some(json), example.value, "{}", file.name);
        assert_eq!(
            again
                .headers
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect::<BTreeMap<_, _>>(),
            example.headers,
            "{}",
            file.name
        );
    }
    assert!(is_any, "an example of {kind}");
    check_schema::<V>(&folder().join(schema));
}

fn check_schema<V: Value>(path: &Path) {
    let derived = serde_json::to_string_pretty(&schemars::schema_for!(V)).unwrap() + "\n";
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(path, &derived).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == derived,
        "{} is not what the type has become; `CLADE_BLESS=1 cargo test --test it topics` writes it, and `git diff` \
         shows whether old records stay readable",
        path.display()
    );
}

#[test]
fn every_example_is_read_and_written_as_it_stands_and_every_schema_is_the_types_own() {
    check::<ImageRecord>();
    check::<TagRecord>();
    check::<TagHistoryRecord>();
    check::<CatalogRecord>();
    check::<BuildConfigRecord>();
    check::<WorkloadRecord>();
    check::<ClassificationRecord>();
    check::<TransitionRecord>();
    check::<DecisionRecord>();
    check::<RebuildsRecord>();
    check::<ProgressRecord>();
    check::<DeadLetterRecord>();
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    let example = &file(Topic::Images).examples[0];
    let mut record = example.record();
    let mut value = example.value.clone().unwrap();
    value["invented"] = Json::from("later");
    record.value = Some(serde_json::to_vec(&value).unwrap());
    assert_eq!(decode::<ImageRecord>(&record).unwrap(), decode::<ImageRecord>(&example.record()).unwrap());
}

#[test]
fn a_version_that_is_not_known_is_refused_by_its_name() {
    let mut record = file(Topic::Images).examples[0].record();
    for found in ["dev.clade.image.v2", "dev.clade.tag.v1", "dev.clade.image", "dev.clade.image.v0"] {
        record.headers = vec![("ce_type".into(), found.to_owned().into())];
        let error = decode::<ImageRecord>(&record).unwrap_err();
        assert!(matches!(error, DecodeError::Version { .. }) && error.to_string().contains(found), "{error}");
    }
    record.headers.clear();
    assert!(
        decode::<ImageRecord>(&record).is_ok(),
        "a record without a type is taken as the current version"
    );
}
