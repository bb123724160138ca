//! The broker, topics on it, and bare clients with the properties that clade gives its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clade::log::kafka::{Admin, Config, KafkaLog};
use clade::record::Topic;
use clade::topics;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::BaseProducer;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::settings::PARTITIONS;

/// So long may the broker take to answer about a topic.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn folder() -> PathBuf {
    std::env::var_os("CLADE_TEST_KAFKA").map(PathBuf::from).expect("CLADE_TEST_KAFKA: run `make bench-kafka`")
}

/// Where the broker is.
pub(crate) fn bootstrap() -> String {
    std::fs::read_to_string(folder().join("bootstrap")).unwrap().trim().to_owned()
}

/// The broker's process.
pub(crate) fn broker() -> u32 {
    std::fs::read_to_string(folder().join("node1/pid")).unwrap().trim().parse().unwrap()
}

fn fresh(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("b{}-{}-{what}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Clade's topics under a prefix of their own, created.
pub(crate) fn fresh_prefix(what: &str) -> String {
    let prefix = fresh(what) + ".";
    let config = Config::new(&bootstrap(), &prefix);
    let admin = Admin::open(config.clone()).unwrap();
    let wanted = topics::Wanted { partitions: Some(PARTITIONS), replication: None };
    admin.create(&topics::plan(&wanted, &admin.find().unwrap()).missing).unwrap();
    drop(KafkaLog::open_when_created(config).unwrap());
    prefix
}

/// The name of one of clade's topics under a prefix.
pub(crate) fn name(prefix: &str, topic: Topic) -> String {
    format!("{prefix}{topic}")
}

/// A topic for what a baseline writes, with the settings of clade's own output.
pub(crate) fn fresh_topic(what: &str) -> String {
    let (name, settings) = (fresh(what), Topic::Classifications.settings());
    let topic = NewTopic::new(&name, i32::from(PARTITIONS), TopicReplication::Fixed(1));
    let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
    pollster::block_on(admin().create_topics([&topic], &AdminOptions::new())).unwrap();
    ends(&name);
    name
}

/// Deletes what is no longer needed: the disk is finite. Best effort.
pub(crate) fn delete(topics: &[String]) {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let _ = pollster::block_on(admin().delete_topics(&names, &AdminOptions::new()));
}

/// Deletes all of clade's topics under a prefix.
pub(crate) fn delete_prefix(prefix: &str) {
    delete(&Topic::ALL.map(|topic| name(prefix, topic)));
}

fn admin() -> AdminClient<DefaultClientContext> {
    client(&[]).create().unwrap()
}

fn client(properties: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap());
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config
}

/// A read_committed consumer without an assignment, as `src/log/kafka/mod.rs` makes those that follow.
pub(crate) fn consumer() -> BaseConsumer {
    let properties = [
        ("queued.max.messages.kbytes", "16384"),
        ("queued.min.messages", "20000"),
        ("fetch.wait.max.ms", "100"),
        ("fetch.queue.backoff.ms", "5"),
        ("fetch.error.backoff.ms", "100"),
        ("group.id", "bench"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
    ];
    client(&properties).create().unwrap()
}

/// A consumer of these partitions of a topic, each from the offset beside it on.
pub(crate) fn reader(topic: &str, from: &[(u16, u64)]) -> BaseConsumer {
    let consumer = consumer();
    let mut list = TopicPartitionList::new();
    for (partition, offset) in from {
        let offset = Offset::Offset(i64::try_from(*offset).unwrap());
        list.add_partition_offset(topic, i32::from(*partition), offset).unwrap();
    }
    consumer.assign(&list).unwrap();
    consumer
}

/// A consumer of all partitions of a topic from their beginning on.
pub(crate) fn read_all(topic: &str) -> BaseConsumer {
    let partitions = u16::try_from(ends(topic).len()).unwrap();
    reader(topic, &(0..partitions).map(|partition| (partition, 0)).collect::<Vec<_>>())
}

/// The properties of clade's writer, `src/log/kafka/mod.rs`, with a transactional ID if there is one.
pub(crate) fn producer(transactional_id: Option<&str>, more: &[(&str, &str)]) -> BaseProducer {
    let mut config = client(&[
        ("compression.type", "lz4"),
        ("linger.ms", "0"),
        ("message.max.bytes", "1064960"),
        ("batch.num.messages", "10000"),
        ("batch.size", "1000000"),
        ("queue.buffering.max.kbytes", "262144"),
        ("transaction.timeout.ms", "30000"),
        ("retry.backoff.ms", "5"),
        ("enable.idempotence", "true"),
        ("acks", "all"),
    ]);
    for (name, value) in more {
        config.set(*name, *value);
    }
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config.create().unwrap()
}

/// The end of each partition of a topic, once all of them have a leader.
pub(crate) fn ends(topic: &str) -> Vec<u64> {
    let consumer = consumer();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        let partitions = metadata.topics()[0].partitions().len();
        let end = |partition| {
            consumer.fetch_watermarks(topic, partition, PATIENCE).map(|(_, end)| end.unsigned_abs())
        };
        let ends: Result<Vec<u64>, _> = (0..partitions as i32).map(end).collect();
        match ends {
            Ok(ends) if !ends.is_empty() => return ends,
            _ if std::time::Instant::now() >= deadline => panic!("{topic} was not created"),
            _ => std::thread::park_timeout(Duration::from_millis(100)),
        }
    }
}
