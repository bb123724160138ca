//! What the trail says, and how it goes on.

use std::sync::Arc;
use std::time::Duration;

use clade::audit::{AuditError, Auditor, Entry, Moment, Options, Replay};
use clade::log::memory::{Faults, MemoryLog};
use clade::log::{SharedLog, TopicPartition};
use clade::record::{CatalogRecord, RebuildsRecord, Record, State, Topic, encode, tombstone};
use clade::telemetry::Metrics;
use serde_json::Value as Json;

use super::{
    Copied, a_class, append, audit, classified, clean, entries, in_the_trail, log_of, on_the_log, options,
    rest, small, transition,
};
use crate::support::{World, digest};

fn log_with(records: Vec<(Topic, Record)>) -> SharedLog {
    let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::none()));
    add(&log, records);
    log
}

fn add(log: &SharedLog, records: Vec<(Topic, Record)>) {
    let of = |(topic, record)| (TopicPartition { topic, partition: 0 }, record);
    log.writer("test").unwrap().append(records.into_iter().map(of).collect()).unwrap();
}

fn class(sequence: u64) -> (Topic, Record) {
    (Topic::Catalog, encode("class/os".to_owned(), &a_class("os", sequence)).unwrap())
}

#[test]
fn a_transition_is_an_entry_that_says_from_what_to_what_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let record = encode("id".to_owned(), &transition(digest("app"), "os", 2)).unwrap();
    audit(&log_with(vec![(Topic::Outdated, record)]), Options::new(dir.path().to_owned())).unwrap();
    let entry = entries(dir.path()).remove(0);
    assert_eq!((entry.seq, entry.what.as_ref()), (1, "image.outdated"));
    assert_eq!((entry.image, entry.class.as_deref()), (Some(digest("app")), Some("os")));
    let json: Json = serde_json::to_value(&entry).unwrap();
    assert_eq!(json["from"]["state"], "current");
    assert_eq!(json["to"]["state"], "outdated");
    assert_eq!(json["why"]["evidence"], "layers");
    assert_eq!(json["why"]["current"], digest("v2").to_string());
    assert_eq!(json["why"]["tags"][0], "shop/app-2:latest");
    assert_eq!(json["source"], serde_json::json!({"topic": "outdated", "partition": 0, "offset": 0}));
}

#[test]
fn a_class_says_how_it_was_before_also_after_a_restart_and_in_the_next_segment() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_with(vec![class(1)]);
    let one_a_segment = || options(dir.path(), clade::audit::Layout { segment_bytes: 1, ..small(None) });
    audit(&log, one_a_segment()).unwrap();
    add(&log, vec![class(2)]);
    audit(&log, one_a_segment()).unwrap();
    add(&log, vec![(Topic::Catalog, tombstone::<CatalogRecord>("class/os".to_owned(), "gone".to_owned()))]);
    audit(&log, one_a_segment()).unwrap();
    let all = entries(dir.path());
    assert_eq!(clean(dir.path()).segments, 3);
    let what: Vec<&str> = all.iter().map(|entry| entry.what.as_ref()).collect();
    assert_eq!(what, ["class.created", "class.changed", "class.deleted"]);
    assert_eq!(all[0].from, None);
    assert_eq!(all[1].from, all[0].to);
    assert_eq!(all[2].from, all[1].to);
    assert_eq!(all[2].to, None);
}

#[test]
fn a_rebuild_says_who_has_asked_for_it_and_why_each_target_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let topic = include_str!("../../../topics/rebuilds.yaml");
    let topic: Json = serde_saphyr::from_str(topic).unwrap();
    let of = |example: &Json| {
        let record: RebuildsRecord = serde_json::from_value(example["value"].clone()).unwrap();
        (Topic::Rebuilds, encode(record.key().to_string(), &record).unwrap())
    };
    let values = topic["examples"].as_array().unwrap().iter().filter(|example| !example["value"].is_null());
    let records: Vec<_> = values.map(of).collect();
    assert!(!records.is_empty());
    audit(&log_with(records), Options::new(dir.path().to_owned())).unwrap();
    let all = entries(dir.path());
    let rebuild = all.iter().find(|entry| entry.target.is_none()).unwrap();
    assert!(rebuild.rebuild.is_some() && rebuild.class.is_some(), "{rebuild:?}");
    let target = all.iter().find(|entry| entry.target.is_some()).unwrap();
    assert!(target.why.as_ref().unwrap().member("input").is_some(), "{target:?}");
    assert!(all.iter().all(|entry| entry.what.starts_with("rebuild.")), "{all:?}");
}

#[test]
fn a_record_that_cannot_be_read_has_an_entry_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let nonsense = Record { key: "k".repeat(5_000), value: Some(b"nonsense".to_vec()), headers: Vec::new() };
    let log = log_with(vec![(Topic::Outdated, nonsense.clone()), (Topic::Catalog, nonsense), class(1)]);
    audit(&log, Options::new(dir.path().to_owned())).unwrap();
    let all = entries(dir.path());
    let unreadable: Vec<_> = all.iter().filter(|entry| entry.what == "record.unreadable").collect();
    assert_eq!((all.len(), unreadable.len()), (3, 2));
    assert!(unreadable[0].why.as_ref().unwrap().json().len() < 1_000, "{unreadable:?}");
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_cut_off_and_written_again() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = log_of(40);
    audit(&log, Options::new(whole.path().to_owned())).unwrap();
    let name = "audit-00000000000000000001.jsonl";
    let content = std::fs::read(whole.path().join(name)).unwrap();
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    let header = lines.clone().next().unwrap().len();
    let last: usize = lines.rev().take(3).map(<[u8]>::len).sum();
    for kept in (content.len() - last..content.len()).step_by(13).chain([header, header + 1]) {
        std::fs::write(dir.path().join(name), &content[..kept]).unwrap();
        audit(&log, Options::new(dir.path().to_owned())).unwrap();
        assert_eq!(in_the_trail(&entries(dir.path())), on_the_log(&*log), "cut after {kept} bytes");
    }
}

#[test]
fn a_line_that_is_whole_and_wrong_is_told_and_nothing_is_written_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(40);
    audit(&log, options(dir.path(), small(None))).unwrap();
    let newest = Copied::of(dir.path()).segments().pop().unwrap();
    let path = dir.path().join(&newest);
    let text = std::fs::read_to_string(&path).unwrap().replace("\"time\":\"1970", "\"time\":\"1971");
    std::fs::write(&path, &text).unwrap();
    append(&*log, 40..50);
    let error = audit(&log, options(dir.path(), small(None))).unwrap_err();
    assert!(matches!(&error, AuditError::Damaged(problem) if problem.contains(&newest)), "{error}");
    assert!(error.to_string().contains("clade audit verify"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_second_auditor_of_a_directory_is_refused_and_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Auditor::start(log_of(5), Options::new(dir.path().to_owned()), &Metrics::default());
    let first = start().unwrap();
    let Err(error) = start() else { panic!("two write there") };
    let owner = format!("process {} (clade)", std::process::id());
    assert!(matches!(&error, AuditError::InUse(who) if who.contains(&owner)), "{error}");
    first.stop().unwrap();
    start().unwrap().stop().unwrap();
}

#[test]
fn a_topic_that_was_made_anew_is_told_in_the_trail_and_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::default();
    audit(&log_of(60), Options::new(dir.path().to_owned())).unwrap();
    let anew = log_of(20);
    let auditor =
        Auditor::start(SharedLog::clone(&anew), Options::new(dir.path().to_owned()), &metrics).unwrap();
    let handle = auditor.handle();
    while !handle.is_complete() {
        rest(Duration::from_millis(2));
    }
    auditor.stop().unwrap();
    let all = entries(dir.path());
    let resets: Vec<_> = all.iter().filter(|entry| entry.what == "audit.reset").collect();
    assert!(!resets.is_empty() && metrics.audit.resets.get() == resets.len() as u64);
    let first = resets[0].seq;
    assert_eq!(in_the_trail(&all[usize::try_from(first).unwrap() - 1..]), on_the_log(&*anew));
    // A replay knows nothing of what the topics had before.
    let state = |entries: &[Entry]| {
        let mut replay = Replay::default();
        entries.iter().for_each(|entry| replay.take(entry));
        let mut state = serde_json::to_value(&replay).unwrap();
        state.as_object_mut().unwrap().retain(|name, _| name != "seq" && name != "time");
        state
    };
    let fresh = tempfile::tempdir().unwrap();
    audit(&anew, Options::new(fresh.path().to_owned())).unwrap();
    assert_eq!(state(&all), state(&entries(fresh.path())));
}

#[test]
fn a_disk_that_takes_nothing_ends_the_audit_and_loses_nothing() {
    // A directory in place of the file that is to be written: as good as no room, also for root.
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(10);
    let blocked = dir.path().join("audit-00000000000000000001.jsonl.part");
    let auditor =
        Auditor::start(SharedLog::clone(&log), Options::new(dir.path().to_owned()), &Metrics::default());
    drop(auditor);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    std::fs::create_dir(&blocked).unwrap();
    assert!(matches!(audit(&log, Options::new(dir.path().to_owned())), Err(AuditError::File(_))));
    std::fs::remove_dir(&blocked).unwrap();
    audit(&log, Options::new(dir.path().to_owned())).unwrap();
    assert_eq!(in_the_trail(&entries(dir.path())), on_the_log(&*log));
}

/// The worked example of the domain, replayed: every moment is as it was.
#[test]
fn a_replay_is_what_was_at_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.images(&[("v1", &["A", "B"]), ("v2", &["A", "B", "C"]), ("app", &["A", "B", "X"])]);
    world.tag("base:latest", &["v1"]).class("base", "base:latest").process();
    audit(&world.log, Options::new(dir.path().to_owned())).unwrap();
    let before = entries(dir.path()).len() as u64;
    world.tag("base:latest", &["v2"]).process();
    audit(&world.log, Options::new(dir.path().to_owned())).unwrap();
    let all = entries(dir.path());
    let at = |moment: Moment| {
        let mut state = Replay::default();
        all.iter().filter(|entry| moment.includes(entry)).for_each(|entry| state.take(entry));
        state
    };
    let app = |state: &Replay| state.images[&digest("app")].standings().get("base").copied();
    assert_eq!(app(&at(Moment::Seq(before))), Some(State::Current));
    let now = at(Moment::Seq(u64::MAX));
    assert_eq!(app(&now), Some(State::Outdated));
    assert_eq!(now.classes["base"].versions.len(), 2);
    let classified = world.classifications();
    assert_eq!(now.images.len(), classified.len());
    for (image, record) in classified {
        let image = &now.images[&image.parse().unwrap()];
        assert_eq!(image.classified.as_ref().unwrap().classes, record.classes);
        let by_transitions: Vec<&String> = image.states.keys().collect();
        let names: Vec<&String> = record.classes.iter().map(|class| &class.name).collect();
        assert_eq!(by_transitions, names, "both topics lead to the same");
    }
}

#[test]
fn an_image_that_has_left_its_last_class_is_in_no_later_state() {
    let dir = tempfile::tempdir().unwrap();
    let image = digest("app");
    let mut left = transition(image, "os", 2);
    left.to = None;
    let log = log_with(vec![
        (Topic::Outdated, encode("1".to_owned(), &transition(image, "os", 1)).unwrap()),
        (Topic::Classifications, encode(image.to_string(), &classified(image, "os", 1)).unwrap()),
        (Topic::Outdated, encode("2".to_owned(), &left).unwrap()),
        (
            Topic::Classifications,
            tombstone::<clade::record::ClassificationRecord>(image.to_string(), "x".to_owned()),
        ),
    ]);
    audit(&log, Options::new(dir.path().to_owned())).unwrap();
    let mut state = Replay::default();
    entries(dir.path()).iter().for_each(|entry| state.take(entry));
    assert!(state.images.is_empty(), "{state:?}");
}
