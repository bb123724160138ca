//! The auditor beside writing the same bytes plainly: `make bench-audit`.
//!
//! An embedded log has the transitions. The auditor reads them, writes its trail and syncs each batch; then the very bytes of
//! that trail are written to a file, without reading, JSON or hashes, and synced as often. The rounds are interleaved, and the
//! best of each is shown. `CLADE_AUDIT_EVENTS=1000000` has more of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clade::audit::{Auditor, Directory, Options, Wanted, verify};
use clade::log::embedded::{self, EmbeddedLog};
use clade::log::{SharedLog, TopicPartition};
use clade::oci::Digest;
use clade::record::outdated::Standing;
use clade::record::{Record, State, Topic, TransitionRecord, encode};
use clade::telemetry::Metrics;

const ROUNDS: usize = 5;

fn main() {
    let events = std::env::var("CLADE_AUDIT_EVENTS").map_or(200_000, |many| many.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let log = filled(&dir.path().join("log"), events);
    let (mut audited, mut plain, mut read, mut verified) =
        (Duration::MAX, Duration::MAX, Duration::MAX, Duration::MAX);
    let (mut bytes, mut syncs) = (0, 0);
    for round in 1..=ROUNDS {
        eprintln!("round {round}");
        let trail = dir.path().join(format!("trail-{round}"));
        let metrics = Metrics::default();
        audited = audited.min(audit(&log, &trail, events, &metrics));
        syncs = metrics.audit.sync.get_sample_count();
        let content = content(&trail);
        bytes = content.len();
        plain = plain.min(write(&dir.path().join("plain"), &content, syncs));
        read = read.min(read_all(&log));
        let begun = Instant::now();
        let report = verify(&Directory(trail.clone()), &Wanted::default()).unwrap();
        verified = verified.min(begun.elapsed());
        assert_eq!((report.entries, report.findings.len()), (events, 0));
        std::fs::remove_dir_all(trail).unwrap();
    }
    println!("{events} transitions, {:.0} bytes a line, {syncs} syncs", bytes as f64 / events as f64);
    for (what, took) in [
        ("read the log only", read),
        ("write the same bytes", plain),
        ("audit: read, hash, write", audited),
        ("verify", verified),
    ] {
        let (rate, megabytes) = (events as f64 / took.as_secs_f64(), bytes as f64 / 1e6 / took.as_secs_f64());
        println!("{what:<26} {rate:>10.0} entries/s  {megabytes:>7.1} MB/s");
    }
}

fn audit(log: &SharedLog, trail: &Path, events: u64, metrics: &Metrics) -> Duration {
    let begun = Instant::now();
    let auditor = Auditor::start(SharedLog::clone(log), Options::new(trail.to_owned()), metrics).unwrap();
    while auditor.handle().last() < events {
        assert!(!auditor.is_finished(), "the auditor has failed");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    auditor.stop().unwrap();
    took
}

fn content(trail: &Path) -> Vec<u8> {
    let mut files: Vec<_> = std::fs::read_dir(trail).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|of| of == "jsonl"));
    files.sort_unstable();
    files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

/// In as many parts as there were batches.
fn write(to: &Path, content: &[u8], syncs: u64) -> Duration {
    let part = content.len().div_ceil(usize::try_from(syncs.max(1)).unwrap());
    let begun = Instant::now();
    let mut file = File::create(to).unwrap();
    for part in content.chunks(part) {
        file.write_all(part).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

fn read_all(log: &SharedLog) -> Duration {
    let begun = Instant::now();
    for partition in 0..log.partitions() {
        clade::log::for_each(&**log, TopicPartition { topic: Topic::Outdated, partition }, |_| {}).unwrap();
    }
    begun.elapsed()
}

fn filled(dir: &Path, events: u64) -> SharedLog {
    let options = embedded::Options { partitions: Some(4), ..embedded::Options::default() };
    let log: SharedLog = Arc::new(EmbeddedLog::open(dir, options).unwrap());
    let mut writer = log.writer("bench").unwrap();
    let mut events = (0..events).peekable();
    while events.peek().is_some() {
        writer.append(events.by_ref().take(5_000).map(record).collect()).unwrap();
    }
    log
}

fn record(n: u64) -> (TopicPartition, Record) {
    let digest = |name: &str| Digest::of(name.as_bytes());
    let standing = |state| Some(Standing { state, version: digest("v1") });
    let transition = TransitionRecord {
        id: digest(&format!("transition-{n}")),
        digest: digest(&format!("image-{}", n / 2)),
        platform: Arc::default(),
        class: format!("class-{}", n % 7),
        from: standing(State::Current),
        to: standing(State::Outdated),
        current: Some(digest("v2")),
        tags: vec![format!("shop/app-{}:latest", n % 1_000), format!("shop/app-{}:v7", n % 1_000)],
        more_tags: 0,
    };
    let partition = u16::try_from(n % 4).unwrap();
    let record = encode(transition.id.to_string(), &transition).unwrap();
    (TopicPartition { topic: Topic::Outdated, partition }, record)
}
