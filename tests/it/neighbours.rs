//! What others do on the same cluster: applications with names like ours, and topics that somebody made by hand.

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clade::log::MissingTopic;
use clade::log::kafka::{Admin, Config, KafkaLog};
use clade::log::{AppendError, Log as _, LogError, SharedLog, TopicPartition};
use clade::observe::Observation;
use clade::publisher::Publisher;
use clade::record::{Timestamp, Topic, encode};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::cluster::eventually;
use crate::kafka::{bootstrap, fresh_config, fresh_prefix};
use crate::support::{digest, image};

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn another_applications_publisher_fences_nobody_here() {
    let config = fresh_config(1);
    let log = crate::kafka::open(&config);
    let mut writer = log.writer("publisher").unwrap();
    let mut append = || {
        let record = encode(digest("app").to_string(), &image("app", &["app"])).unwrap();
        writer.append(vec![(TopicPartition { topic: Topic::Images, partition: 0 }, record)])
    };
    let fence = |id: &str| {
        let mut properties = ClientConfig::new();
        properties.set("bootstrap.servers", bootstrap()).set("transactional.id", id);
        let producer: BaseProducer = properties.create().unwrap();
        producer.init_transactions(Duration::from_secs(30)).unwrap();
    };
    append().unwrap();
    fence(&format!("{}publisher", config.prefix));
    append().unwrap();
    // As a second one of ours does.
    fence(&format!("{}clade-publisher", config.prefix));
    assert!(matches!(append(), Err(AppendError::Fenced)), "this is the ID that the README names");
}

/// Topics as an operator makes them who sets this otherwise than `topics/` says.
fn topics_with(topic: Topic, setting: &'static str, value: &str) -> Config {
    let config = Config::new(&bootstrap(), &fresh_prefix());
    let missing = Topic::ALL.map(|each| {
        let mut settings = each.settings();
        if each == topic {
            settings.retain(|(name, _)| *name != setting);
            settings.push((setting, value.to_owned()));
        }
        MissingTopic { topic: each, partitions: 1, replication: None, settings }
    });
    Admin::open(config.clone()).unwrap().create(&missing).unwrap();
    config
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn topics_that_are_not_compacted_are_refused_by_name_when_they_are_opened() {
    let config = topics_with(Topic::Images, "cleanup.policy", "delete");
    let told = || match KafkaLog::open(config.clone()) {
        Err(LogError::Incompatible(message)) => {
            message.contains("images has cleanup.policy=delete and must have")
        }
        _ => false,
    };
    eventually(&true, told);
}

/// Runs a processor until its snapshots directory has a file or its log has these words.
fn process_until(config: &Config, snapshots: &Path, until: impl Fn(&str) -> bool) -> String {
    let mut processor = Command::new(env!("CARGO_BIN_EXE_clade"))
        .args(["process", "--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix])
        .args(["--snapshot-interval", "0", "--snapshots"])
        .arg(snapshots)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(processor.stderr.take().unwrap()).lines();
    let said = std::sync::Mutex::new(String::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in lines.map_while(Result::ok) {
                *said.lock().unwrap() += &(line + "\n");
            }
        });
        eventually(&true, || until(&said.lock().unwrap()));
        processor.kill().unwrap();
        processor.wait().unwrap();
    });
    said.into_inner().unwrap()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn on_topics_that_forget_deletions_at_once_no_snapshot_is_gone_on_from() {
    let config = topics_with(Topic::Tags, "delete.retention.ms", "0");
    let log = crate::kafka::open(&config);
    assert_eq!(log.deletions_kept(), Duration::ZERO);
    let log: SharedLog = Arc::new(log);
    let mut publisher = Publisher::restore(log, Timestamp::now).unwrap();
    publisher.observe(Observation::Image(Box::new(image("app", &["app"])))).unwrap();
    publisher.flush().unwrap();
    let dir = tempfile::tempdir().unwrap();
    process_until(&config, dir.path(), |_| dir.path().join("partition-0.snapshot").exists());
    let said = process_until(&config, dir.path(), |said| said.contains("a snapshot is of no use"));
    assert!(said.contains("the log may have forgotten what was deleted since"), "{said}");
}
