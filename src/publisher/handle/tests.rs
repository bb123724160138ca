//! Tests requests to a shared publisher, and their cost in reads.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::declare::{ClassSpec, GroupSpec};
use crate::log::memory::{Faults, MemoryLog, Rates};
use crate::log::{Log, LogError, Offset, Reader, Stored, TopicPartition, Writer};
use crate::observe::{ObservedTag, ObservedVersion};
use crate::oci::{Digest, LayerIdentity, Platform};
use crate::record::catalog::ImageChain;
use crate::record::{ObjectReference, ReferenceKind, TagImage, TagItem, Topic};

/// A log that counts how often it is opened for reading, and the reads of single records.
struct Counting {
    log: MemoryLog,
    reads: Arc<AtomicUsize>,
}

impl Log for Counting {
    fn partitions(&self) -> u16 {
        self.log.partitions()
    }

    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        self.log.writer(name)
    }

    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.log.reader(topic, from)
    }

    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.log.get(from, offset)
    }

    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        self.log.end(of)
    }

    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        self.log.offset_at(of, timestamp)
    }

    fn complete_since(&self) -> Result<i64, LogError> {
        self.log.complete_since()
    }
}

fn settings() -> Settings {
    let (spans, metrics) = (Spans::default(), Metrics::default());
    Settings { clock: Timestamp::now, delay: Duration::ZERO, spans, metrics }
}

fn counted() -> (Publishing, impl Fn() -> usize) {
    counted_on(Faults::none())
}

fn counted_on(faults: Faults) -> (Publishing, impl Fn() -> usize) {
    let reads = Arc::new(AtomicUsize::new(0));
    let log = Counting { log: MemoryLog::new(2, faults), reads: Arc::clone(&reads) };
    (Publishing::start(Arc::new(log), settings()).unwrap(), move || reads.load(Ordering::Relaxed))
}

fn class(name: &str, tag: &str) -> Manifest {
    let from = ObjectReference { kind: ReferenceKind::DockerImage, name: tag.to_owned(), namespace: None };
    Manifest::Class(ClassSpec {
        name: name.to_owned(),
        labels: BTreeMap::new(),
        from,
        versions: crate::record::VersionSources::default(),
        rebuild: None,
    })
}

fn image(number: u32) -> Observation {
    let digest = Digest::of(&number.to_be_bytes());
    let image = serde_json::json!({
        "digest": digest, "sequence": 0, "platform": {"os": "linux", "architecture": "amd64"},
        "layerIdentity": "diff-id", "layers": [{"digest": digest}],
    });
    Observation::Image(Box::new(serde_json::from_value(image).unwrap()))
}

#[test]
fn a_request_that_is_refused_costs_no_read_of_the_log() {
    let (publishing, reads) = counted();
    assert!(!publishing.has_read());
    publishing.declare(vec![class("rhel7", "registry/rhel7:latest")]).unwrap();
    let once = reads();
    assert!(publishing.has_read() && once > 0);
    for _ in 0..3 {
        let unknown = publishing.delete(CatalogKey::Class("nope".to_owned()));
        assert!(matches!(unknown, Err(PublishError::NotFound { .. })), "{unknown:?}");
        let unknown = publishing.delete(CatalogKey::Group("nope".to_owned()));
        assert!(matches!(unknown, Err(PublishError::NotFound { .. })), "{unknown:?}");
        let invalid = publishing.declare(vec![class("good", "a:1"), class("not a label", "a:1")]);
        assert!(matches!(invalid, Err(PublishError::Invalid(_))), "{invalid:?}");
    }
    assert_eq!(
        publishing.declare(vec![class("rhel7", "registry/rhel7:latest")]).unwrap(),
        [Outcome::Unchanged]
    );
    assert_eq!(reads(), once, "the publisher was thrown away");
    let declared: Vec<String> =
        publishing.catalog().borrow().classes().map(|class| class.record.name.clone()).collect();
    assert_eq!(declared, ["rhel7"], "one invalid declaration among several declares none");
}

#[test]
fn an_invalid_declaration_is_refused_before_anything_was_read() {
    let (publishing, reads) = counted();
    let group =
        GroupSpec { name: "no label!".to_owned(), selector: crate::record::catalog::Selector::default() };
    for invalid in [class("", "a:1"), class("a", "a b"), Manifest::Group(group)] {
        assert!(matches!(publishing.declare(vec![invalid]), Err(PublishError::Invalid(_))));
    }
    assert_eq!(reads(), 0);
}

#[test]
fn observations_that_a_failing_log_did_not_take_can_be_published_again() {
    let rates = Rates { crash_before: 300, crash_after: 200, ..Rates::default() };
    let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::seeded(4, rates)));
    let publishing = Publishing::start(SharedLog::clone(&log), settings()).unwrap();
    for number in 0..8 {
        let seen = Arc::new(vec![image(number)]);
        let published = (0..100).find_map(|_| publishing.observe(Arc::clone(&seen)).ok());
        assert!(published.is_some(), "image {number}");
    }
    let again = Publishing::start(log, settings()).unwrap();
    let all = Arc::new((0..8).map(image).collect::<Vec<_>>());
    let counts = (0..100).find_map(|_| again.observe(Arc::clone(&all)).ok()).unwrap();
    assert_eq!((counts.images, counts.unchanged_images), (0, 8));
}

#[test]
fn an_intake_that_has_failed_reads_nothing_more_and_says_why_first() {
    let (publishing, reads) = counted_on(Faults::seeded(1, Rates { crash_before: 1000, ..Rates::default() }));
    let mut intake = publishing.intake();
    let mut portions = (0..40_u32).map(|portion| (0..512).map(|n| image(portion * 512 + n)).collect());
    let failed = portions.find_map(|portion: Vec<_>| intake.put(portion).err());
    assert!(matches!(failed, Some(PublishError::Append(_))), "{failed:?}");
    assert!(portions.next().is_some(), "it is told only a few portions later");
    let once = reads();
    assert!(intake.finish().is_err());
    assert_eq!(reads(), once, "what waited was taken in by another publisher");
}

#[test]
fn an_intake_takes_its_portions_in_their_order() {
    let (publishing, _) = counted();
    let mut intake = publishing.intake();
    for portion in 0..100_u32 {
        intake.put((0..20).map(|n| image(portion * 10 + n)).collect()).unwrap();
    }
    let counts = intake.finish().unwrap();
    assert_eq!((counts.images, counts.unchanged_images), (1_010, 990));
}

/// An earlier version of the tag `registry/base:1`, with one layer.
fn version(number: u32) -> ObservedVersion {
    let digest = Digest::of(&number.to_be_bytes());
    let image = ImageChain::new(
        digest,
        Platform::new("linux", "amd64"),
        LayerIdentity::DiffId,
        vec![digest],
        Vec::new(),
    );
    ObservedVersion {
        tag: "registry/base:1".to_owned(),
        digest,
        since: Some(Timestamp::from_second(i64::from(number)).unwrap()),
        built: None,
        images: vec![image.unwrap()],
    }
}

#[test]
fn versions_that_a_status_remembers_outlive_a_publisher_whose_log_fails() {
    let rates = Rates { crash_before: 300, crash_after: 200, ..Rates::default() };
    let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::seeded(4, rates)));
    let publishing = Publishing::start(log, settings()).unwrap();
    let mut failures = 0;
    let mut observe = |seen: Vec<Observation>| {
        let seen = Arc::new(seen);
        let taken = (0..100).find_map(|_| {
            let observed = publishing.observe(Arc::clone(&seen));
            failures += u32::from(observed.is_err());
            observed.ok()
        });
        assert!(taken.is_some());
    };
    let Manifest::Class(class) = class("base", "registry/base:1") else { unreachable!() };
    let history = Observation::ClassHistory("base".to_owned(), vec![Ok(version(1))]);
    observe(vec![history, Observation::Class(Box::new(class))]);
    for number in 10..20 {
        observe(vec![image(number)]);
    }
    let digest = Digest::of(&10_u32.to_be_bytes());
    observe(vec![Observation::Tag(ObservedTag {
        source: None,
        repository: "registry/base".to_owned(),
        tag: "1".to_owned(),
        items: vec![TagItem {
            since: Timestamp::from_second(100).unwrap(),
            digest: Some(digest),
            images: vec![TagImage { digest, platform: None }],
        }],
        complete: false,
    })]);
    assert!(failures > 0, "the log fails at times");
    let catalog = Arc::clone(&publishing.catalog().borrow());
    let versions: Vec<Digest> =
        catalog.class("base").unwrap().versions().map(|version| version.digest).collect();
    assert!(versions.len() == 2 && versions.contains(&version(1).digest), "{versions:?}");
}
