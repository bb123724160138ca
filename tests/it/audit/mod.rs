//! The audit trail: what it says, that it says it once, and that nothing in it can be changed unnoticed.

mod content;
mod formats;
mod kafka;
mod kill;
mod manipulated;
mod program;
mod retention;
mod search;
mod stores;

use std::collections::BTreeMap;
use std::io::{BufRead, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clade::audit::{
    Archive, AuditError, Auditor, Directory, Entry, Layout, Options, Report, SigningKey, Source, TOPICS,
    Wanted, read, verify,
};
use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Batch, Log, SharedLog, TopicPartition, for_each};
use clade::oci::Digest;
use clade::record::outdated::Standing;
use clade::record::{
    CatalogRecord, ClassRecord, ClassificationRecord, Membership, ObjectReference, Record, ReferenceKind,
    State, Topic, TransitionRecord, encode, tombstone,
};
use clade::telemetry::Metrics;

use crate::support::digest;

/// How many events the larger tests have: `CLADE_AUDIT_EVENTS=100000 cargo test --release --test it audit::`.
fn events(default: u64) -> u64 {
    std::env::var("CLADE_AUDIT_EVENTS").map_or(default, |many| many.parse().unwrap())
}

/// The record of a history that number `n` is, and where it goes: mostly transitions, and some of everything else.
fn record(n: u64, partitions: u16) -> (TopicPartition, Record) {
    let partition = u16::try_from(n % u64::from(partitions)).unwrap();
    let at = |topic, partition| TopicPartition { topic, partition };
    let class = format!("class-{}", n % 7);
    let image = digest(&format!("image-{}", n % 997));
    match n % 16 {
        13 => (at(Topic::Catalog, 0), encode(format!("class/{class}"), &a_class(&class, n)).unwrap()),
        14 => (
            at(Topic::Classifications, partition),
            encode(image.to_string(), &classified(image, &class, n)).unwrap(),
        ),
        15 => {
            let id = format!("{image}#{n}");
            let of = at(Topic::Classifications, partition);
            (of, tombstone::<ClassificationRecord>(image.to_string(), id))
        }
        _ => {
            let transition = transition(image, &class, n);
            (at(Topic::Outdated, partition), encode(transition.id.to_string(), &transition).unwrap())
        }
    }
}

fn transition(image: Digest, class: &str, n: u64) -> TransitionRecord {
    let standing = |state, version: &str| Some(Standing { state, version: digest(version) });
    let is_outdated = n.is_multiple_of(2);
    TransitionRecord {
        id: digest(&format!("transition-{n}")),
        digest: image,
        platform: Arc::default(),
        class: class.to_owned(),
        from: if is_outdated { standing(State::Current, "v1") } else { standing(State::Outdated, "v1") },
        to: if is_outdated { standing(State::Outdated, "v1") } else { standing(State::Current, "v2") },
        current: Some(digest("v2")),
        tags: vec![format!("shop/app-{}:latest", n % 31)],
        more_tags: 0,
    }
}

fn a_class(name: &str, sequence: u64) -> CatalogRecord {
    let follows = ObjectReference {
        kind: ReferenceKind::ImageStreamTag,
        name: format!("{name}:latest"),
        namespace: Some("base".to_owned()),
    };
    CatalogRecord::ImageClass(ClassRecord {
        name: name.to_owned(),
        sequence,
        generation: 1,
        labels: BTreeMap::new(),
        from: follows,
        version_sources: clade::record::VersionSources::default(),
        versions: u32::try_from(sequence % 100).unwrap(),
        current: Some(0),
        revision: sequence,
        following: clade::record::catalog::Following {
            ready: true,
            reason: "Following".to_owned(),
            message: "it is there".to_owned(),
        },
        rebuild: None,
    })
}

fn classified(image: Digest, class: &str, sequence: u64) -> ClassificationRecord {
    let member = Membership {
        name: class.to_owned(),
        generation: 1,
        state: State::Current,
        version: digest("v2"),
        depth: 3,
        nearest: true,
    };
    ClassificationRecord {
        digest: image,
        sequence,
        platform: Arc::default(),
        classes: vec![member].into(),
        groups: BTreeMap::from([("os".to_owned(), vec![class.to_owned()])]).into(),
    }
}

/// Appends the records of these numbers.
fn append(log: &dyn Log, numbers: std::ops::Range<u64>) {
    let mut writer = log.writer("test").unwrap();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let batch: Batch = numbers.by_ref().take(1_000).map(|n| record(n, log.partitions())).collect();
        writer.append(batch).unwrap();
    }
}

/// A log in memory that has so many records.
fn log_of(many: u64) -> SharedLog {
    let log: SharedLog = Arc::new(MemoryLog::new(3, Faults::none()));
    append(&*log, 0..many);
    log
}

/// Segments of some dozens of entries.
fn small(signing_key: Option<SigningKey>) -> Layout {
    Layout { segment_bytes: 16 << 10, signing_key, ..Layout::default() }
}

fn options(dir: &Path, layout: Layout) -> Options {
    Options { layout, ..Options::new(dir.to_owned()) }
}

/// Between two looks at a condition, each of which ends after a time.
fn rest(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "a condition is looked at again")]
    std::thread::sleep(time);
}

/// Audits what is on the log, and ends.
fn audit(log: &SharedLog, options: Options) -> Result<(), AuditError> {
    let auditor = Auditor::start(SharedLog::clone(log), options, &Metrics::default())?;
    let (handle, deadline) = (auditor.handle(), Instant::now() + Duration::from_secs(120));
    while !handle.is_complete() && !auditor.is_finished() {
        assert!(Instant::now() < deadline, "the auditor does not come to the end");
        rest(Duration::from_millis(2));
    }
    auditor.stop()
}

/// The entries of a trail that is as it was written.
fn entries(dir: &Path) -> Vec<Entry> {
    let mut all = Vec::new();
    let report =
        read(&Directory(dir.to_owned()), &Wanted::default(), |entry, _| all.push(entry.clone())).unwrap();
    assert_eq!(report.findings, []);
    all
}

fn clean(dir: &Path) -> Report {
    let report = verify(&Directory(dir.to_owned()), &Wanted::default()).unwrap();
    assert_eq!(report.findings, []);
    report
}

/// Every record of the topics that are audited, in order.
fn on_the_log(log: &dyn Log) -> Vec<(Topic, u16, u64)> {
    let mut all = Vec::new();
    for topic in TOPICS {
        for partition in 0..if topic.is_partitioned() { log.partitions() } else { 1 } {
            for_each(log, TopicPartition { topic, partition }, |stored| {
                all.push((topic, partition, stored.offset));
            })
            .unwrap();
        }
    }
    all.sort_unstable();
    all
}

/// The records that entries are of, in the same order; one that has two entries is there twice.
fn in_the_trail(entries: &[Entry]) -> Vec<(Topic, u16, u64)> {
    let of = |source: Source| (source.topic, source.partition, source.offset);
    let mut all: Vec<_> = entries.iter().filter_map(|entry| entry.source).map(of).collect();
    all.sort_unstable();
    all
}

/// A trail in memory, to be manipulated.
#[derive(Clone)]
struct Copied(BTreeMap<String, Vec<u8>>);

impl Copied {
    fn of(dir: &Path) -> Self {
        let directory = Directory(dir.to_owned());
        let names = directory.names().unwrap();
        let files = names.into_iter().filter(|name| name != "audit.lock");
        Self(files.map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap())).collect())
    }

    fn segments(&self) -> Vec<String> {
        self.0.keys().filter(|name| name.ends_with(".jsonl")).cloned().collect()
    }
}

impl Archive for Copied {
    fn name(&self) -> String {
        "memory".to_owned()
    }
    fn names(&self) -> Result<Vec<String>, AuditError> {
        Ok(self.0.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> Result<Box<dyn BufRead>, AuditError> {
        Ok(Box::new(Cursor::new(self.0[name].clone())))
    }
    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError> {
        Ok(self.0.get(name).cloned())
    }
}
