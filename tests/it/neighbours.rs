//! What others do on the same cluster: applications with names like ours, and topics that somebody made by hand.

use std::time::Duration;

use clade::log::{AppendError, Log as _, TopicPartition};
use clade::record::{Topic, encode};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::kafka::{bootstrap, fresh_config};
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
