//! Reads partitions of one topic continuously, committed records only.
//!
//! The end of a partition is known from librdkafka's `PARTITION_EOF`, which fires at the last stable offset: the
//! markers that end transactions take offsets too, so that a comparison of offsets cannot show it. The event names the
//! partition but not the topic, which is why a reader is for one topic.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{Message as _, TopicPartitionList};

use super::context::Context;
use super::pool::Pool;
use crate::log::{Fetched, LogError, Offset, ReadLimit, Reader, Stored, TopicPartition};
use crate::record::{Record, Topic, header};

/// A consumer with partitions of a topic assigned by hand.
pub(super) struct KafkaReader {
    /// `Some` until the reader is dropped.
    consumer: Option<BaseConsumer<Context>>,
    pool: Pool,
    has_failed: bool,
    topic: Topic,
    partitions: BTreeMap<u16, Position>,
    /// A record that arrived while another partition was being read.
    held: Option<(u16, Stored)>,
}

struct Position {
    next: Offset,
    at_end: bool,
}

impl KafkaReader {
    pub(super) fn new(
        pool: Pool,
        topic: Topic,
        name: &str,
        from: &[(u16, Offset)],
    ) -> Result<Self, LogError> {
        let mut assignment = TopicPartitionList::with_capacity(from.len());
        for (partition, offset) in from {
            let offset = match i64::try_from(*offset) {
                Ok(0) | Err(_) => rdkafka::Offset::Beginning,
                Ok(offset) => rdkafka::Offset::Offset(offset),
            };
            assignment
                .add_partition_offset(name, i32::from(*partition), offset)
                .map_err(|error| failed(topic, &error))?;
        }
        let consumer = pool.take()?;
        consumer.assign(&assignment).map_err(|error| failed(topic, &error))?;
        let position =
            |(partition, next): &(u16, Offset)| (*partition, Position { next: *next, at_end: false });
        Ok(Self {
            consumer: Some(consumer),
            pool,
            has_failed: false,
            topic,
            partitions: from.iter().map(position).collect(),
            held: None,
        })
    }

    fn at_end(&self) -> bool {
        self.held.is_none() && self.partitions.values().all(|position| position.at_end)
    }

    /// The result of a read of one partition, or of any partition if nothing was read.
    fn fetched(&self, records: Vec<Stored>, partition: Option<u16>) -> Fetched {
        let partition = partition.or_else(|| self.partitions.keys().next().copied()).unwrap_or_default();
        let next = self.partitions.get(&partition).map_or(0, |position| position.next);
        Fetched { partition, records, next, at_end: self.at_end() }
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take().filter(|_| !self.has_failed) {
            self.pool.give_back(consumer);
        }
    }
}

impl Reader for KafkaReader {
    fn read(&mut self, limit: ReadLimit, timeout: Duration) -> Result<Fetched, LogError> {
        let deadline = Instant::now() + timeout;
        let was_at_end = self.at_end();
        let (mut records, mut bytes, mut reading): (Vec<Stored>, usize, Option<u16>) = (Vec::new(), 0, None);
        loop {
            let (partition, stored) = match self.held.take() {
                Some(held) => held,
                None => {
                    let wait = match reading {
                        Some(_) => Duration::ZERO,
                        None => whole_milliseconds(deadline.saturating_duration_since(Instant::now())),
                    };
                    let Some(consumer) = &self.consumer else { return Err(LogError::Closed) };
                    match consumer.poll(wait) {
                        None if reading.is_some() || Instant::now() >= deadline => break,
                        None => continue,
                        Some(Ok(message)) => stored(&message)?,
                        Some(Err(KafkaError::PartitionEOF(partition))) => {
                            let partition = partition_number(self.topic, partition)?;
                            if let Some(position) = self.partitions.get_mut(&partition) {
                                position.at_end = true;
                            }
                            // The reader reports the end once, when it is reached.
                            if reading.is_none() && self.at_end() && !was_at_end {
                                break;
                            }
                            continue;
                        }
                        Some(Err(error)) if passes(&error) => {
                            tracing::debug!(topic = %self.topic, %error, "reading goes on");
                            continue;
                        }
                        Some(Err(error)) => {
                            self.has_failed = true;
                            return Err(failed(self.topic, &error));
                        }
                    }
                }
            };
            if reading.is_some_and(|reading| reading != partition) {
                self.held = Some((partition, stored));
                break;
            }
            reading = Some(partition);
            if let Some(position) = self.partitions.get_mut(&partition) {
                *position = Position { next: stored.offset + 1, at_end: false };
            }
            bytes += stored.record.bytes();
            records.push(stored);
            if records.len() >= limit.records || bytes >= limit.bytes {
                break;
            }
        }
        Ok(self.fetched(records, reading))
    }
}

/// Rounds up to milliseconds: rust-rdkafka spins through a shorter time.
pub(super) fn whole_milliseconds(time: Duration) -> Duration {
    let milliseconds = time.as_micros().div_ceil(1_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// Returns `true` for errors from which librdkafka recovers by itself.
pub(super) fn passes(error: &KafkaError) -> bool {
    !matches!(error, KafkaError::MessageConsumptionFatal(_))
        && !matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
            )
        )
}

/// Returns the error of a failed read. Its text says what to do.
pub(super) fn failed(topic: Topic, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition,
        ) => LogError::Incompatible(format!(
            "the topic {topic} or one of its partitions does not exist, or no longer: `clade topics plan` tells what is \
             missing, `clade topics apply` creates it"
        )),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => {
            LogError::Configuration(format!("not allowed to read the topic {topic}: {error}"))
        }
        _ => LogError::caused(format!("cannot read the topic {topic}"), error.clone()),
    }
}

/// Decodes a record from a message. Bytes that are not UTF-8 in a key or header are replaced: clade's own keys have
/// none, and a foreign record is refused for its key.
pub(super) fn stored(message: &BorrowedMessage<'_>) -> Result<(u16, Stored), LogError> {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|of| header(of.key, &of.value.map(String::from_utf8_lossy).unwrap_or_default()))
            .collect()
    });
    let record = Record {
        key: message.key().map(text).unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    };
    let stored = Stored {
        offset: message.offset().unsigned_abs(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        record,
    };
    let partition = u16::try_from(message.partition());
    let partition = partition.map_err(|_| no_partition(message.topic(), message.partition()))?;
    Ok((partition, stored))
}

/// Converts the number of a partition. librdkafka's is signed, and negative for none.
fn partition_number(topic: Topic, partition: i32) -> Result<u16, LogError> {
    u16::try_from(partition).map_err(|_| no_partition(topic.name(), partition))
}

fn no_partition(topic: &str, partition: i32) -> LogError {
    LogError::storage(format!(
        "the broker has sent something of {topic}, partition {partition}, which cannot be"
    ))
}

/// Reads the record at an offset before the partition's end, with a reader made for it. A writer learns of the end of
/// its transaction before readers see it, so the reader may have to wait for the record.
pub(super) fn one(
    mut reader: KafkaReader,
    from: TopicPartition,
    offset: Offset,
    patience: Duration,
) -> Result<Option<Stored>, LogError> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        let fetched = reader.read(ReadLimit { records: 1, bytes: 1 }, Duration::from_millis(100))?;
        if let Some(stored) = fetched.records.into_iter().next() {
            return Ok(Some(stored).filter(|stored| stored.offset == offset));
        }
    }
    let seconds = patience.as_secs();
    Err(LogError::storage(format!("{from}@{offset} was not to be had within {seconds} s")))
}
