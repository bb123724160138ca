//! Closed segments in a store: everything is there, nothing is overwritten, and a store that is away stops nobody.

use std::path::Path;
use std::time::{Duration, Instant};

use clade::audit::{Auditor, Options, SigningKey, Store, StoreArchive, Wanted, verify};
use clade::log::SharedLog;
use clade::telemetry::Metrics;

use super::{audit, clean, log_of, options, rest, small};

/// Audits with a store, until so many files are there that are to be uploaded.
fn upload(log: &SharedLog, asked: Options, metrics: &Metrics, done: impl Fn() -> bool) {
    let auditor = Auditor::start(SharedLog::clone(log), asked, metrics).unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !auditor.handle().is_complete() || !done() {
        assert!(!auditor.is_finished() && Instant::now() < deadline, "nothing is uploaded");
        rest(Duration::from_millis(5));
    }
    auditor.stop().unwrap();
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

fn with_store(dir: &Path, url: &str, key: &SigningKey) -> Options {
    Options { store: Some(Store::open(url).unwrap()), ..options(dir, small(Some(key.clone()))) }
}

#[test]
fn closed_segments_and_their_heads_are_uploaded_and_verified_there() {
    let (dir, stored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("file://{}", stored.path().display());
    let key = SigningKey::generate().unwrap();
    let log = log_of(100);
    audit(&log, options(dir.path(), small(Some(key.clone())))).unwrap();
    // Closed before there was a store.
    let closed = usize::try_from(clean(dir.path()).segments).unwrap() - 1;
    upload(&log, with_store(dir.path(), &url, &key), &Metrics::default(), || {
        files(stored.path()) == 2 * closed
    });
    let wanted = Wanted { keys: vec![key.public()], anchors: Vec::new() };
    let report = verify(&StoreArchive(Store::open(&url).unwrap()), &wanted).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.segments, report.signed), (closed as u64, closed as u64));
}

#[test]
fn a_store_with_another_trail_is_told_of_and_left_as_it_is() {
    let (dir, stored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("file://{}", stored.path().display());
    let (log, key, metrics) = (log_of(100), SigningKey::generate().unwrap(), Metrics::default());
    let first = stored.path().join("audit-00000000000000000001.jsonl");
    std::fs::write(&first, "another trail").unwrap();
    upload(&log, with_store(dir.path(), &url, &key), &metrics, || metrics.audit.upload_failures.get() > 0);
    assert!(metrics.audit.uploads_waiting.get() > 0, "it is not given up");
    assert_eq!(files(stored.path()), 1, "nor are two trails mixed");
    assert_eq!(std::fs::read_to_string(&first).unwrap(), "another trail");
    clean(dir.path());
}

#[test]
fn a_store_that_is_away_does_not_stop_the_audit_and_is_told_of() {
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::default());
    let gone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", gone.path().join("store").display());
    let asked = with_store(dir.path(), &url, &SigningKey::generate().unwrap());
    std::fs::remove_dir(gone.path().join("store")).unwrap();
    // A file where the folder was: nothing can be put there.
    std::fs::write(gone.path().join("store"), "").unwrap();
    upload(&log_of(100), asked, &metrics, || metrics.audit.upload_failures.get() > 0);
    assert_eq!(clean(dir.path()).entries, 100);
}

#[test]
fn an_address_that_is_none_is_told() {
    for url in ["s3://", "ftp://bucket/prefix", "bucket", "file://relative"] {
        let problem = Store::open(url).unwrap_err().to_string();
        assert!(problem.contains("s3://BUCKET/PREFIX"), "{problem}");
    }
}

/// With `tests/audit/with-s3.sh`: `AWS_…` variables of a server that runs, with a bucket `audit`.
#[test]
#[ignore = "needs an S3-compatible server: make test"]
fn a_real_s3_compatible_server_has_the_same_trail() {
    assert!(
        std::env::var_os("AWS_ENDPOINT").is_some(),
        "run it as tests/audit/with-s3.sh cargo test -- --ignored"
    );
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::default());
    let url = format!("s3://audit/{}/{}", std::process::id(), fastrand::u32(..));
    let (log, key) = (log_of(100), SigningKey::generate().unwrap());
    let asked = with_store(dir.path(), &url, &key);
    let stored = || {
        let listed = verify(&StoreArchive(Store::open(&url).unwrap()), &Wanted::default());
        listed.map_or(0, |report| report.segments)
    };
    upload(&log, asked, &metrics, || stored() + 1 == clean(dir.path()).segments);
    let wanted = Wanted { keys: vec![key.public()], anchors: Vec::new() };
    let report = verify(&StoreArchive(Store::open(&url).unwrap()), &wanted).unwrap();
    assert_eq!((report.findings.len(), metrics.audit.upload_failures.get()), (0, 0), "{report:?}");
    assert_eq!(report.signed, report.segments);
    // Another process does not upload again, and nothing is overwritten by another trail.
    upload(&log, with_store(dir.path(), &url, &key), &metrics, || true);
    let other = tempfile::tempdir().unwrap();
    let others_log = log_of(101);
    upload(&others_log, with_store(other.path(), &url, &key), &metrics, || {
        metrics.audit.upload_failures.get() > 0
    });
    let report = verify(&StoreArchive(Store::open(&url).unwrap()), &wanted).unwrap();
    assert_eq!(report.findings, []);
}
