//! The same records in other topics: each round's contenders read what the rounds before have not touched.

use std::time::Duration;

use clade::record::Topic;
use rdkafka::Message as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::cluster;

/// Copies a topic of clade's, partition by partition, in order.
pub(crate) fn topic(from: &str, to: &str, topic: Topic) {
    let (from, to) = (cluster::name(from, topic), cluster::name(to, topic));
    let producer = cluster::producer(None, &[]);
    each(&from, |message| {
        send(&producer, &to, message);
    });
    flush(&producer);
}

/// Calls `visit` with every record that the topic has, until all partitions have ended.
pub(crate) fn each(topic: &str, mut visit: impl FnMut(&BorrowedMessage<'_>)) {
    let mut open = cluster::ends(topic).len();
    let consumer = cluster::read_all(topic);
    while open > 0 {
        match consumer.poll(Duration::from_secs(60)).expect("nothing came for a minute") {
            Ok(message) => visit(&message),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
}

/// Queues the same key, value and headers for the same partition of another topic.
pub(crate) fn send(producer: &BaseProducer, topic: &str, message: &BorrowedMessage<'_>) {
    let mut record = BaseRecord::to(topic).partition(message.partition());
    if let Some(key) = message.key() {
        record = record.key(key);
    }
    if let Some(value) = message.payload() {
        record = record.payload(value);
    }
    if let Some(headers) = message.headers() {
        record = record.headers(headers.detach());
    }
    queue(producer, record);
}

/// Queues a record, as soon as there is room.
pub(crate) fn queue(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], [u8]>) {
    while let Err((error, refused)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        producer.poll(Duration::ZERO);
        std::thread::park_timeout(Duration::from_micros(200));
        record = refused;
    }
}

/// Waits until everything that was queued is acknowledged, as clade's writer does: rust-rdkafka's `flush` sleeps to the end of
/// its first tenth of a second, and `poll` spins through the last millisecond of its time-out.
pub(crate) fn flush(producer: &BaseProducer) {
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::ZERO);
        std::thread::park_timeout(Duration::from_micros(200));
    }
}
