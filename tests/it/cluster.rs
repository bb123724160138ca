//! Several processes' worth of clade on a real Apache Kafka: the same answers as in one process, and clear words where
//! something is wrong with the cluster.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clade::engine::{Engine, member};
use clade::log::kafka::{Config, KafkaLog};
use clade::log::{Log, SharedLog, TopicPartition};
use clade::oci::Digest;
use clade::processor::Options;
use clade::publisher::Publisher;
use clade::query::answer::PartitionStatus;
use clade::query::{Filter, Page, Query};
use clade::record::outdated::Standing;
use clade::record::{ClassificationRecord, DeadLetterRecord, Record, Timestamp, Topic, encode};

use crate::kafka::{folder, fresh_config};
use crate::support::{class, digest, fold, image, transitions};
use crate::workers::{publisher, start};

mod access;
mod silent;
mod strangers;
mod topics;

/// A member of the group of processors, on a thread.
pub(crate) struct Member {
    handle: member::Handle,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub(crate) fn start(config: &Config) -> Self {
        let (handle, config) = (member::Handle::default(), config.clone());
        let thread = std::thread::spawn({
            let handle = handle.clone();
            move || {
                let log = Arc::new(KafkaLog::open(config).unwrap());
                member::run(log, &Options::default(), &handle).unwrap();
            }
        });
        Self { handle, thread: Some(thread) }
    }

    pub(crate) fn status(&self) -> Vec<PartitionStatus> {
        self.handle.status()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.handle.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "a member has failed");
    }
}

/// Looks again and again until it is so, for two minutes at the most.
pub(crate) fn eventually<T: PartialEq + std::fmt::Debug>(expected: &T, mut look: impl FnMut() -> T) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let found = look();
        if found == *expected || Instant::now() >= deadline {
            assert!(found == *expected, "after two minutes it is still not as expected");
            return;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// Where the transitions of each image in each class have led.
fn ends(log: &dyn Log) -> BTreeMap<(Digest, String), Option<Standing>> {
    transitions(log).into_iter().map(|event| ((event.digest, event.class), event.to)).collect()
}

/// All classifications, without the numbers that count what was published: their order is the publisher's own.
fn classifications(log: &dyn Log) -> BTreeMap<String, ClassificationRecord> {
    let mut all: BTreeMap<String, ClassificationRecord> = fold(log);
    for record in all.values_mut() {
        record.sequence = 0;
        let mut classes = record.classes.to_vec();
        classes.iter_mut().for_each(|member| member.generation = 0);
        record.classes = classes.into();
    }
    all
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn two_processors_on_kafka_come_to_what_one_process_comes_to_on_all_of_the_real_images() {
    let Some(data) = crate::real_data::data() else { return println!("skipped: there is no ../shared/data") };
    let declared = crate::real_data::declared(&data);
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path(), Default::default(), &Default::default());
    crate::real_data::publish(&mut publisher(&engine), &data, &declared);
    engine.catch_up(|_| {}).unwrap();
    let expected = classifications(&**engine.log());

    let config = fresh_config(4);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let (one, two) = (Member::start(&config), Member::start(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    crate::real_data::publish(&mut publisher, &data, &declared);
    eventually(&expected, || classifications(&*log));
    drop((one, two));
    assert_eq!(classifications(&*log), expected);
    assert_eq!(ends(&*log), ends(&**engine.log()));
    // And a read replica answers the same.
    let replica = Engine::follow(log, &Options::default()).unwrap();
    replica.wait_until_restored().unwrap();
    let all = |engine: &Engine| {
        let list = Query::new(engine.view().snapshot()).list_images(&Filter::default(), &Page::default());
        list.unwrap().iter().collect::<Vec<_>>()
    };
    assert_eq!(all(&replica), all(&engine));
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn when_a_processor_ends_another_takes_its_partitions_over_and_nothing_is_said_twice() {
    let config = fresh_config(4);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[])).unwrap();
    let mut members = vec![Member::start(&config), Member::start(&config)];
    for round in 0..6_i64 {
        let base = format!("os {round}");
        publisher.observe(image_of(&base, &[&base])).unwrap();
        publisher.observe(crate::support::tag("base/os:latest", round * 60, &[&base])).unwrap();
        for number in 0..50 {
            let name = format!("app {round} {number}");
            publisher.observe(image_of(&name, &[&base, &name])).unwrap();
        }
        publisher.flush().unwrap();
        let expected = usize::try_from(51 * (round + 1)).unwrap();
        eventually(&expected, || fold::<ClassificationRecord>(&*log).len());
        members.remove(0);
        members.push(Member::start(&config));
    }
    drop(members);
    crate::oracle::Oracle::of(&*log).check_outputs(&*log);
}

fn image_of(name: &str, layers: &[&str]) -> clade::observe::Observation {
    clade::observe::Observation::Image(Box::new(image(name, layers)))
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn what_a_stranger_writes_becomes_a_dead_letter_and_everything_else_goes_on() {
    let config = fresh_config(1);
    let log = crate::kafka::open(&config);
    let good = encode(digest("good").to_string(), &image("good", &["A"])).unwrap();
    let half = Record { value: Some(b"{\"digest\":".to_vec()), ..encode_image("half") };
    let later =
        Record { headers: vec![("ce_type".into(), "dev.clade.image.v9".into())], ..encode_image("later") };
    let to = TopicPartition { topic: Topic::Images, partition: 0 };
    let batch = vec![(to, half), (to, good), (to, later)];
    log.writer("stranger").unwrap().append(batch).unwrap();
    let member = Member::start(&config);
    let origins = || fold::<DeadLetterRecord>(&log).into_keys().collect::<Vec<_>>();
    eventually(&vec!["images[0]@0".to_owned(), "images[0]@2".to_owned()], origins);
    drop(member);
    let letters: BTreeMap<String, DeadLetterRecord> = fold(&log);
    assert!(letters["images[0]@2"].reason.contains("upgrade"), "{letters:?}");
}

/// The program itself, until it ends.
fn clade(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clade")).args(arguments).output().unwrap()
}

fn encode_image(name: &str) -> Record {
    encode(digest(name).to_string(), &image(name, &[name])).unwrap()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn what_was_committed_is_had_at_once() {
    let config = fresh_config(1);
    let log = crate::kafka::open(&config);
    let to = TopicPartition { topic: Topic::Images, partition: 0 };
    let mut writer = log.writer("test").unwrap();
    for number in 0..200 {
        let record = encode_image(&format!("{number}"));
        let offset = writer.append(vec![(to, record.clone())]).unwrap()[0];
        // Its transaction's markers may not have been written yet.
        assert!(log.end(to).unwrap() > offset);
        assert_eq!(log.get(to, offset).unwrap().map(|stored| stored.record), Some(record), "{number}");
    }
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_processor_whose_topic_is_deleted_ends_and_says_so() {
    let config = fresh_config(1);
    drop(crate::kafka::open(&config));
    let mut processor = Command::new(env!("CARGO_BIN_EXE_clade"))
        .args(["process", "--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix])
        .args(["--kafka-config", "topic.metadata.refresh.interval.ms=500"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    std::io::BufReader::new(processor.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker.sh");
    let (dir, images) = (folder().display().to_string(), format!("{}images", config.prefix));
    let deleted = Command::new(script).args(["delete", &dir, &images]).status().unwrap();
    assert!(deleted.success());
    eventually(&true, || processor.try_wait().unwrap().is_some());
    let output = processor.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the topic images") && error.contains("clade topics apply"), "{error}");
}
