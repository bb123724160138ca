//! Several processes' worth of clade on a real Apache Kafka: the same answers as in one process, and clear words where
//! something is wrong with the cluster.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clade::engine::{Engine, PartitionStatus, member};
use clade::log::kafka::{Admin, Config, KafkaLog, MissingTopic};
use clade::log::{Log, LogError, SharedLog, TopicPartition};
use clade::oci::Digest;
use clade::processor::Options;
use clade::publisher::Publisher;
use clade::query::{Filter, Query};
use clade::record::outdated::Standing;
use clade::record::{ClassificationRecord, DeadLetterRecord, Record, Timestamp, Topic, encode};

use crate::kafka::{bootstrap, folder, fresh_config};
use crate::support::{class, digest, fold, image, transitions};

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
    let engine = Engine::start(dir.path(), clade::engine::Options::default()).unwrap();
    crate::real_data::publish(&mut engine.publisher().unwrap(), &data, &declared);
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
    let all = |engine: &Engine| Query::new(engine.view().snapshot()).list_images(&Filter::default()).unwrap();
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

fn image_of(name: &str, layers: &[&str]) -> clade::publisher::Observation {
    clade::publisher::Observation::Image(Box::new(image(name, layers)))
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

fn encode_image(name: &str) -> Record {
    encode(digest(name).to_string(), &image(name, &[name])).unwrap()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn topics_that_are_missing_or_have_a_wrong_number_of_partitions_are_refused_by_name() {
    let config = Config::new(&bootstrap(), &crate::kafka::fresh_prefix());
    let message = |result: Result<KafkaLog, LogError>| match result {
        Err(LogError::Incompatible(message)) => message,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    let missing = message(KafkaLog::open(config.clone()));
    assert!(missing.contains("images") && missing.contains("clade topics apply"), "{missing}");
    let topic = |topic: Topic| MissingTopic {
        topic,
        partitions: if topic == Topic::Tags {
            3
        } else if topic.is_partitioned() {
            2
        } else {
            1
        },
        replication: None,
        settings: topic.settings(),
    };
    Admin::open(config.clone()).unwrap().create(&Topic::ALL.map(topic)).unwrap();
    let told = || match KafkaLog::open(config.clone()) {
        Err(LogError::Incompatible(message)) => message.contains("tags has 3 partitions and must have 2"),
        _ => false,
    };
    eventually(&true, told);
}

fn clade(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clade")).args(arguments).output().unwrap()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_cluster_that_does_not_answer_is_told_by_its_address_and_reason() {
    let output = clade(&["topics", "plan", "--kafka", "127.0.0.1:1"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("127.0.0.1:1 does not answer within 30 s") && error.contains("refused"),
        "{error}"
    );
}

/// `clade topics plan` on the SASL_SSL listener.
fn plan_with(properties: &[String]) -> Output {
    let sasl = std::fs::read_to_string(folder().join("sasl")).unwrap();
    let mut arguments =
        vec!["topics", "plan", "--kafka", sasl.trim(), "--kafka-config", "security.protocol=SASL_SSL"];
    for property in properties {
        arguments.extend(["--kafka-config", property]);
    }
    clade(&arguments)
}

fn ca() -> String {
    format!("ssl.ca.location={}", folder().join("ca.pem").display())
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn credentials_are_taken_by_every_mechanism_and_wrong_ones_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (right, wrong) = (write("right", "secret\n"), write("wrong", "hidden-word\n"));
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let with = |password: &str| {
            plan_with(&[
                ca(),
                format!("sasl.mechanism={mechanism}"),
                "sasl.username=clade".to_owned(),
                format!("sasl.password.file={password}"),
            ])
        };
        let output = with(&right);
        assert!(output.status.success(), "{mechanism}: {}", String::from_utf8_lossy(&output.stderr));
        let begun = Instant::now();
        let output = with(&wrong);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{mechanism}: {error}");
        assert!(
            error.contains("refuses us") && error.to_lowercase().contains("authentication"),
            "{mechanism}: {error}"
        );
        assert!(!error.contains("hidden-word"), "a secret is printed: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{mechanism}: {error}");
    }
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn with_a_token_from_a_file_everything_is_read_and_written_but_topics_are_not_looked_after() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, unsecured_token()).unwrap();
    let plain = fresh_config(1);
    drop(crate::kafka::open(&plain));
    let sasl = std::fs::read_to_string(folder().join("sasl")).unwrap();
    let mut config = Config::new(sasl.trim(), &plain.prefix);
    for (name, value) in [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &folder().join("ca.pem").display().to_string()),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.token.file", &token.display().to_string()),
    ] {
        config.set(name, value).unwrap();
    }
    let log = KafkaLog::open(config.clone()).unwrap();
    let to = TopicPartition { topic: Topic::Images, partition: 0 };
    let offsets = log.writer("test").unwrap().append(vec![(to, encode_image("one"))]).unwrap();
    assert_eq!(log.get(to, offsets[0]).unwrap().unwrap().record, encode_image("one"));
    let refused = Admin::open(config).err().unwrap().to_string();
    assert!(refused.contains("OAUTHBEARER") && refused.contains("strimzi"), "{refused}");
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

/// A JSON Web Token as Kafka's own handler for tests takes it: unsigned, and young.
fn unsecured_token() -> String {
    let now = Timestamp::now().as_second();
    let encode = |json: String| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
    let claims = format!("{{\"sub\":\"clade\",\"iat\":{now},\"exp\":{}}}", now + 600);
    format!("{}.{}.", encode("{\"alg\":\"none\"}".to_owned()), encode(claims))
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_certificate_that_nobody_vouches_for_is_told_at_once() {
    let output = plan_with(&[
        "sasl.mechanism=PLAIN".to_owned(),
        "sasl.username=clade".to_owned(),
        "sasl.password=secret".to_owned(),
    ]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("refuses us") && error.contains("certificate"), "{error}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_property_that_does_not_exist_is_told_by_its_name_and_not_by_its_value() {
    let output =
        clade(&["topics", "plan", "--kafka", &bootstrap(), "--kafka-config", "sasl.pasword=hidden-word"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("sasl.pasword") && !error.contains("hidden-word"), "{error}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn topics_are_planned_created_and_checked_and_nothing_is_created_twice() {
    let prefix = crate::kafka::fresh_prefix();
    let kafka = bootstrap();
    let topics = |command: &str, more: &[&str]| {
        let output =
            clade(&[&["topics", command, "--kafka", &kafka, "--kafka-prefix", &prefix], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, plan) = topics("plan", &["--partitions", "3"]);
    assert!(
        code == Some(0) && plan.contains(&format!("+ {prefix}images: to be created, 3 partitions")),
        "{plan}"
    );
    assert_eq!(topics("check", &[]).0, Some(1));
    assert_eq!(topics("apply", &["--partitions", "3"]).1.lines().count(), Topic::ALL.len());
    let all = format!("all {} topics are as they should be\n", Topic::ALL.len());
    eventually(&(Some(0), all), || topics("check", &[]));
    assert_eq!(topics("apply", &[]), (Some(0), String::new()));
    let (code, check) = topics("check", &["--partitions", "4"]);
    assert!(code == Some(1) && check.contains("has 3 partitions instead of 4"), "{check}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn migrating_to_another_number_of_partitions_keeps_everything_and_announces_nothing_again() {
    let old = fresh_config(2);
    let log: SharedLog = Arc::new(crate::kafka::open(&old));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[])).unwrap();
    for number in 0..30_i64 {
        let (base, app) = (format!("os {}", number / 10), format!("app {number}"));
        publisher.observe(image_of(&base, &[&base])).unwrap();
        publisher.observe(crate::support::tag("base/os:latest", number * 60, &[&base])).unwrap();
        publisher.observe(image_of(&app, &[&base, &app])).unwrap();
        publisher.observe(crate::support::tag(&format!("app:{number}"), number * 60, &[&app])).unwrap();
    }
    publisher.flush().unwrap();
    let member = Member::start(&old);
    eventually(&33, || fold::<ClassificationRecord>(&*log).len());
    drop((member, publisher));

    let prefix = crate::kafka::fresh_prefix();
    let migrate = ["topics", "migrate", "--kafka", &old.bootstrap, "--kafka-prefix", &old.prefix];
    let output = clade(&[&migrate[..], &["--to-prefix", &prefix, "--partitions", "5"]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("copied 33 images, 31 tags"), "{told}");
    let again = clade(&[&migrate[..], &["--to-prefix", &prefix, "--partitions", "5"]].concat());
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"), "{again:?}");

    let new = old.with_prefix(&prefix);
    let moved: SharedLog = Arc::new(crate::kafka::open(&new));
    assert_eq!(moved.partitions(), 5);
    let member = Member::start(&new);
    let replica = Engine::follow(SharedLog::clone(&moved), &Options::default()).unwrap();
    replica.wait_until_restored().unwrap();
    // A new version of the base: all is outdated, and only that is announced.
    let mut publisher = Publisher::restore(SharedLog::clone(&moved), Timestamp::now).unwrap();
    publisher.observe(image_of("os 9", &["os 9"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 9_999, &["os 9"])).unwrap();
    publisher.flush().unwrap();
    eventually(&34, || fold::<ClassificationRecord>(&*moved).len());
    drop(member);
    assert_eq!(classifications(&*moved).len(), 34);
    let announced = transitions(&*moved);
    assert_eq!(announced.iter().filter(|event| event.from.is_none()).count(), 1, "{announced:#?}");
    let tags = Query::new(replica.view().snapshot()).list_tags(&Filter::default()).unwrap();
    assert_eq!(tags.len(), 31);
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_consumer_in_another_language_reads_classifications_that_fit_their_schema() {
    let config = fresh_config(2);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[("os", "one")])).unwrap();
    publisher.apply_group("os", &crate::support::having("os")).unwrap();
    publisher.observe(image_of("base", &["base"])).unwrap();
    publisher.observe(image_of("app", &["base", "app"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 60, &["base"])).unwrap();
    publisher.flush().unwrap();
    let _member = Member::start(&config);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = Command::new(root.join("tests/kafka/python.sh")).stderr(Stdio::inherit()).output().unwrap();
    let mut consumer = Command::new(String::from_utf8(python.stdout).unwrap().trim())
        .arg(root.join("topics/consume.py"))
        .args([&config.bootstrap, &config.prefix])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(consumer.stdout.take().unwrap()).lines();
    let mut lines: Vec<String> = lines.take(2).map(|line| line.unwrap()).collect();
    consumer.kill().unwrap();
    consumer.wait().unwrap();
    lines.sort();
    let mut expected: Vec<String> = ["app", "base"]
        .iter()
        .map(|name| format!("{} dev.clade.classification.v1 os:current", digest(name)))
        .collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn kcat_shows_a_classification_as_a_cloud_event_in_kafkas_binary_mode() {
    let config = fresh_config(1);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[])).unwrap();
    publisher.observe(image_of("base", &["base"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 60, &["base"])).unwrap();
    publisher.flush().unwrap();
    let member = Member::start(&config);
    eventually(&1, || fold::<ClassificationRecord>(&*log).len());
    // What is concluded when a partition is taken over has no trace; what comes later has.
    publisher.observe(image_of("app", &["base", "app"])).unwrap();
    publisher.flush().unwrap();
    eventually(&2, || fold::<ClassificationRecord>(&*log).len());
    drop(member);
    let topic = format!("{}classifications", config.prefix);
    let output = Command::new("kcat")
        .args(["-C", "-q", "-b", &config.bootstrap, "-t", &topic, "-o", "beginning", "-e"])
        .args(["-X", "isolation.level=read_committed", "-f", "%h %k %s\n"])
        .output()
        .expect("kcat is missing: install kcat of Debian");
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let [headers, key, value] = last.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{last}") };
    let headers: BTreeMap<&str, &str> =
        headers.split(',').map(|header| header.split_once('=').unwrap()).collect();
    assert_eq!(key, digest("app").to_string());
    let record: ClassificationRecord = serde_json::from_str(value).unwrap();
    assert_eq!(record.classes[0].name, "os");
    assert_eq!(headers["ce_specversion"], "1.0");
    assert_eq!(headers["ce_source"], "/clade/classifications");
    assert_eq!(headers["ce_type"], "dev.clade.classification.v1");
    assert_eq!(headers["ce_subject"], key);
    assert!(headers["ce_id"].starts_with(key), "{headers:?}");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["traceparent"].starts_with("00-"), "{headers:?}");
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
