//! Records: on Kafka, anybody who may write to a topic can have written them.

use std::sync::Arc;

use clade::record::{
    AdmissionRecord, BuildConfigRecord, CatalogKey, CatalogRecord, ClassificationRecord, DeadLetterRecord,
    DecisionRecord, ImageRecord, ProgressRecord, RebuildsKey, RebuildsRecord, Record, TagHistoryRecord,
    TagRecord, Topic, TraceContext, TransitionRecord, Value, WorkloadRecord, decode, encode, partition_of,
};
use clade::shard::{Change, Shard};

use super::{in_proportion, parts};

/// Reads a record: its topic, key and value, each in a line.
pub(crate) fn records(input: &[u8]) -> bool {
    let Some([topic, key, value]) = parts(input) else { return false };
    let Some(topic) = Topic::ALL.into_iter().find(|known| known.name().as_bytes() == topic) else {
        return false;
    };
    let Ok(key) = std::str::from_utf8(key) else { return false };
    let record = Record { key: key.to_owned(), value: Some(value.to_vec()), headers: Vec::new() };
    match topic {
        Topic::Images => read::<ImageRecord>(&record),
        Topic::Tags => read::<TagRecord>(&record) | read::<TagHistoryRecord>(&record),
        Topic::Catalog => read::<CatalogRecord>(&record),
        Topic::Buildconfigs => read::<BuildConfigRecord>(&record),
        Topic::Workloads => read::<WorkloadRecord>(&record),
        Topic::Classifications => read::<ClassificationRecord>(&record),
        Topic::Outdated => read::<TransitionRecord>(&record),
        Topic::Decisions => read::<DecisionRecord>(&record),
        Topic::Admissions => read::<AdmissionRecord>(&record),
        Topic::Rebuilds => read::<RebuildsRecord>(&record),
        Topic::Progress => read::<ProgressRecord>(&record),
        Topic::DeadLetters => read::<DeadLetterRecord>(&record),
    }
}

/// Checks that a value that is written again reads as the same value.
fn read<V: Value>(record: &Record) -> bool {
    let Ok(Some(value)) = decode::<V>(record) else { return false };
    let again = encode(record.key.clone(), &value).unwrap();
    let json = again.value.as_ref().unwrap();
    in_proportion(record.value.as_ref().unwrap(), json.len(), 8);
    let same = decode::<V>(&again).unwrap().unwrap();
    assert_eq!(encode(record.key.clone(), &same).unwrap(), again);
    true
}

/// Reads keys and headers, one a line.
pub(crate) fn keys(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut read = 0;
    for line in text.lines() {
        if let Some(key) = CatalogKey::parse(line) {
            assert_eq!(CatalogKey::parse(&key.to_string()), Some(key));
            read += 1;
        }
        if let Some(key) = RebuildsKey::parse(line) {
            assert_eq!(RebuildsKey::parse(&key.to_string()), Some(key));
            read += 1;
        }
        if let Some(trace) = TraceContext::parse(line) {
            assert_eq!(TraceContext::parse(&trace.to_string()), Some(trace));
            read += 1;
        }
    }
    read > 0
}

/// Applies records to shards: one a line, its topic, a space and its value. No record of a stranger stops a shard, and
/// a snapshot restores the same shard.
pub(crate) fn shard(input: &[u8]) -> bool {
    let (shards, taken) = shards(input);
    for shard in &shards {
        let snapshot = rmp_serde::to_vec_named(&shard.snapshot()).unwrap();
        let mut again = Shard::from_snapshot(rmp_serde::from_slice(&snapshot).unwrap()).unwrap();
        assert!(again.drain().is_empty(), "something follows from a snapshot that did not follow before");
        assert_eq!(again.index().len(), shard.index().len());
    }
    taken > 0
}

/// Returns the shards after these lines, and the number of records that they took.
pub(crate) fn shards(input: &[u8]) -> (Vec<Shard>, usize) {
    const PARTITIONS: u16 = 2;
    let mut shards: Vec<Shard> = (0..PARTITIONS).map(|number| Shard::new(number, PARTITIONS)).collect();
    let mut taken = 0;
    for line in input.split(|byte| *byte == b'\n') {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let (topic, value) = (&line[..space], &line[space + 1..]);
        for (number, shard) in (0..).zip(&mut shards) {
            let Some(change) = change(topic, value, number, PARTITIONS) else { continue };
            taken += usize::from(shard.apply(&change).is_ok());
            if line.len() % 3 == 0 {
                shard.drain();
                if line.len() % 2 == 0 {
                    shard.settle();
                }
            }
        }
    }
    for shard in &mut shards {
        shard.drain();
    }
    (shards, taken)
}

fn change(topic: &[u8], value: &[u8], partition: u16, partitions: u16) -> Option<Change> {
    Some(match topic {
        b"images" => {
            let record: ImageRecord = serde_json::from_slice(value).ok()?;
            if partition_of(&record.digest, &record.chain(), partitions) != partition {
                return None;
            }
            Change::Image(Arc::new(record))
        }
        b"gone" => Change::ImageGone(std::str::from_utf8(value).ok()?.parse().ok()?),
        b"tags" => Change::Tag(Arc::new(serde_json::from_slice(value).ok()?)),
        b"history" => Change::TagHistory(Arc::new(serde_json::from_slice(value).ok()?)),
        b"catalog" => {
            let record: CatalogRecord = serde_json::from_slice(value).ok()?;
            Change::Catalog(record.key(), Some(Arc::new(record)))
        }
        b"removed" => Change::Catalog(CatalogKey::parse(std::str::from_utf8(value).ok()?)?, None),
        _ => return None,
    })
}
