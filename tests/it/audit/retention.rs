//! Segments: when they are closed, and how long they are kept.

use std::time::Duration;

use clade::audit::{Directory, Layout, Options, SigningKey, Wanted, verify};
use clade::record::Timestamp;

use super::{Copied, append, audit, clean, entries, log_of, options, small};

#[test]
fn a_segment_is_closed_by_size_or_age_and_the_next_one_follows_it() {
    let (by_size, by_age) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    audit(&log_of(100), options(by_size.path(), small(None))).unwrap();
    let report = clean(by_size.path());
    assert!((3..=10).contains(&report.segments), "{report:?}");
    assert_eq!(report.entries, 100);
    let at_once = || Layout { segment_age: Duration::ZERO, ..Layout::default() };
    let log = log_of(10);
    audit(&log, options(by_age.path(), at_once())).unwrap();
    append(&*log, 10..20);
    audit(&log, options(by_age.path(), at_once())).unwrap();
    let heads = Copied::of(by_age.path()).0.keys().filter(|name| name.ends_with(".head.json")).count();
    assert!(heads >= 2, "each of both was closed");
    assert_eq!(clean(by_age.path()).entries, 20);
}

#[test]
fn what_is_pruned_is_named_before_and_the_rest_is_complete_from_there_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_of(100);
    audit(&log, options(dir.path(), small(None))).unwrap();
    let before = clean(dir.path()).segments;
    append(&*log, 100..110);
    // Kept for no day at all: what is closed goes.
    let prune = || Options { keep_days: Some(0), ..options(dir.path(), small(None)) };
    audit(&log, prune()).unwrap();
    let report = clean(dir.path());
    assert!(report.segments < before, "{report:?}");
    let (segment, seq) = report.pruned.clone().expect("it says what is missing");
    assert!(segment.starts_with("audit-0"), "{segment}");
    let all = entries(dir.path());
    let pruned = all.iter().find(|entry| entry.seq == seq).unwrap();
    assert!(pruned.what == "audit.pruned" && pruned.from.as_ref().unwrap().json().contains(&segment));
    // And it goes on.
    append(&*log, 110..200);
    audit(&log, prune()).unwrap();
    assert!(clean(dir.path()).last.unwrap().0 > 200);
}

#[test]
fn what_is_missing_at_the_beginning_and_was_not_pruned_is_found() {
    let dir = tempfile::tempdir().unwrap();
    audit(&log_of(100), options(dir.path(), small(None))).unwrap();
    let first = Copied::of(dir.path()).segments().remove(0);
    std::fs::remove_file(dir.path().join(&first)).unwrap();
    std::fs::remove_file(dir.path().join(first.replace(".jsonl", ".head.json"))).unwrap();
    let findings = verify(&Directory(dir.path().to_owned()), &Wanted::default()).unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem.contains("no entry says that they were pruned"), "{findings:?}");
}

fn winter() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn summer() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

/// A pruning counts once a signed head covers the entry that says so: without a key anybody could have written it.
#[test]
fn a_pruning_that_nobody_has_signed_is_found_with_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (log, key) = (log_of(100), SigningKey::generate().unwrap());
    let signed = || options(dir.path(), small(Some(key.clone())));
    audit(&log, Options { clock: winter, ..signed() }).unwrap();
    append(&*log, 100..200);
    audit(&log, Options { clock: summer, ..signed() }).unwrap();
    let wanted = || Wanted { keys: vec![key.public()], ..Wanted::default() };
    let check = || verify(&Directory(dir.path().to_owned()), &wanted()).unwrap();
    let before = check();
    assert_eq!(before.findings, []);
    append(&*log, 200..201);
    // Somebody without the key prunes what was written in winter.
    let unsigned = options(dir.path(), small(None));
    audit(&log, Options { clock: summer, keep_days: Some(30), ..unsigned }).unwrap();
    let findings = check().findings;
    // What was appended may have filled a segment, which nobody has signed either.
    let (unsigned, pruned): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| finding.problem.ends_with("it is not signed"));
    assert!(unsigned.len() <= 1 && pruned.len() == 1, "{findings:?}");
    assert!(pruned[0].problem.contains("no signed head covers"), "{findings:?}");
}

#[test]
fn a_pruning_by_the_holder_of_the_key_is_signed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, key) = (log_of(100), SigningKey::generate().unwrap());
    let signed = || options(dir.path(), small(Some(key.clone())));
    audit(&log, Options { clock: winter, ..signed() }).unwrap();
    append(&*log, 100..200);
    audit(&log, Options { clock: summer, keep_days: Some(30), ..signed() }).unwrap();
    let wanted = Wanted { keys: vec![key.public()], ..Wanted::default() };
    let report = verify(&Directory(dir.path().to_owned()), &wanted).unwrap();
    assert_eq!(report.findings, []);
    let (segment, seq) = report.pruned.expect("it says what is missing");
    assert!(segment.starts_with("audit-0") && report.signed_to.unwrap() >= seq, "{segment} {seq}");
}
