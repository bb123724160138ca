//! Keeps the log on Apache Kafka, with librdkafka.
//!
//! ```text
//!   Writer  a producer with a transactional ID: one batch, one transaction
//!   Reader  a consumer with partitions assigned by hand, read_committed, of one topic
//! ```
//!
//! Every call blocks and every client has threads of its own, so async workers must not use it. `ownership` assigns
//! partitions to processes, through a consumer group.

mod admin;
mod change;
mod config;
mod context;
mod group;
mod ownership;
mod pool;
mod reader;
mod settings;
mod token;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

pub use admin::Admin;
pub use change::Change;
pub use config::Config;
pub use group::{GroupRead, GroupReader, GroupStart};
pub use ownership::Ownership;

use super::{Log, LogError, Offset, Reader, Stored, TopicPartition, Writer};
use crate::oci::Timestamp;
use crate::record::Topic;
use context::Context;
use pool::Pool;
use reader::KafkaReader;
use writer::KafkaWriter;

/// Time limit for connecting to a cluster: enough for a broker that is just starting.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time limit for a transaction.
const TRANSACTION_MS: &str = "30000";

/// The log on a cluster.
pub struct KafkaLog {
    config: Config,
    names: Names,
    partitions: u16,
    kept: settings::Kept,
    /// Consumers for continuous readers.
    pool: Pool,
    /// Consumers for reads of single records.
    singles: Pool,
    /// Consumers for the ends of partitions.
    ends: Pool,
}

/// The topics' names on the cluster.
#[derive(Clone)]
struct Names(Arc<[String]>);

impl Names {
    fn new(config: &Config) -> Self {
        Self(Topic::ALL.iter().map(|topic| config.name(topic.name())).collect())
    }

    fn of(&self, topic: Topic) -> &str {
        let place = Topic::ALL.iter().position(|known| *known == topic);
        place.and_then(|place| self.0.get(place)).map_or("", String::as_str)
    }
}

impl KafkaLog {
    /// Connects to the cluster. Checks that all topics exist, with consistent numbers of partitions and the required
    /// settings.
    pub fn open(config: Config) -> Result<Self, LogError> {
        let consumer = consumer(&config, FOLLOWING)?;
        let metadata = reach(&consumer, &config, PATIENCE)?;
        let names = Names::new(&config);
        let partitions = check_topics(&metadata, &names)?;
        let described = match config.token_file() {
            Some(_) => Err(settings::Undescribed::NoToken),
            None => settings::describe(&settings::admin_client(&config)?, &names, &Topic::ALL),
        };
        let kept = settings::agree(described, &names)?;
        Ok(Self {
            pool: Pool::new(config.clone(), FOLLOWING, Some(consumer)),
            singles: Pool::new(config.clone(), SINGLE, None),
            ends: Pool::new(config.clone(), END, None),
            config,
            names,
            partitions,
            kept,
        })
    }

    /// Does the same for topics that were just created and that not every broker may know yet.
    pub fn open_when_created(config: Config) -> Result<Self, LogError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::open(config.clone()) {
                Err(LogError::Incompatible(_)) if Instant::now() < deadline => {
                    std::thread::park_timeout(Duration::from_millis(100));
                }
                result => return result,
            }
        }
    }

    fn open_reader(&self, of: &Pool, topic: Topic, from: &[(u16, Offset)]) -> Result<KafkaReader, LogError> {
        KafkaReader::new(of.clone(), topic, self.names.of(topic), from)
    }
}

impl Log for KafkaLog {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        let context = Context::new(self.config.token_file().map(Into::into));
        let defaults = [
            ("compression.type", "lz4"),
            // A transaction is sent as a whole, and then waited for.
            ("linger.ms", "0"),
            ("message.max.bytes", "1064960"),
            ("batch.num.messages", "10000"),
            ("batch.size", "1000000"),
            ("queue.buffering.max.kbytes", "262144"),
            // A successor fences a paused process, not this time-out. It only bounds how long readers wait for a
            // process without a successor.
            ("transaction.timeout.ms", TRANSACTION_MS),
            // The default is 100 ms, which every wait for the end of an earlier transaction would cost.
            ("retry.backoff.ms", "5"),
        ];
        let id = self.config.transactional_id(name);
        let fixed = [("transactional.id", id.as_str()), ("enable.idempotence", "true"), ("acks", "all")];
        let producer = self
            .config
            .client(&defaults, &fixed)
            .create_with_context(context.clone())
            .map_err(|error| wrong_property(&error))?;
        Ok(Box::new(KafkaWriter::new(producer, context, self.names.clone())?))
    }

    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(self.open_reader(&self.pool, topic, from)?))
    }

    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        if offset >= self.end(from)? {
            return Ok(None);
        }
        // The record may be committed and not visible yet, so the read waits for it.
        let reader = self.open_reader(&self.singles, from.topic, &[(from.partition, offset)])?;
        reader::one(reader, from, offset, PATIENCE)
    }

    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        let consumer = self.ends.take()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Serves the callbacks: without an OAuth token there is no connection.
            let _ = consumer.poll(Duration::ZERO);
            let name = self.names.of(of.topic);
            match consumer.fetch_watermarks(name, i32::from(of.partition), PATIENCE) {
                Ok((_, end)) => {
                    self.ends.give_back(consumer);
                    return Ok(end.unsigned_abs());
                }
                // The topic was just created, or its leader is gone. Readers wait for it as well.
                Err(error) if has_no_leader(&error) && Instant::now() < deadline => {
                    std::thread::park_timeout(Duration::from_millis(50));
                }
                Err(error) => return Err(reader::failed(of.topic, &error)),
            }
        }
    }

    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        // librdkafka would take a negative time for one of its constants: `Beginning` is -2.
        let timestamp = timestamp.max(0);
        let consumer = self.ends.take()?;
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            let _ = consumer.poll(Duration::ZERO);
            match offset_for_time(&consumer, self.names.of(of.topic), of.partition, timestamp) {
                Ok(found) => break found,
                Err(error) if has_no_leader(&error) && Instant::now() < deadline => {
                    std::thread::park_timeout(Duration::from_millis(50));
                }
                Err(error) => return Err(reader::failed(of.topic, &error)),
            }
        };
        self.ends.give_back(consumer);
        found.map_or_else(|| self.end(of), Ok)
    }

    fn deletions_kept(&self) -> Duration {
        self.kept.deletions
    }

    /// A transaction, and clocks that differ a little.
    fn commits_within(&self) -> Duration {
        Duration::from_secs(35)
    }

    /// Trusts the topics' settings: whoever has changed them a short while ago knows of compactions before that.
    fn complete_since(&self) -> Result<i64, LogError> {
        let since = Timestamp::now().checked_sub(self.kept.history);
        Ok(since.map_or(0, Timestamp::as_millisecond))
    }
}

/// Properties of continuous readers. At most some 16 MiB per partition wait to be read; librdkafka's defaults are 64
/// MiB and 100,000 records. The wait bounds how long a broker holds a fetch request back, and so how late a reader
/// learns that it is at an end with nothing behind it.
const FOLLOWING: &[(&str, &str)] = &[
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "20000"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "5"),
    ("isolation.level", "read_committed"),
];
/// Properties of consumers for single records. Nothing is fetched ahead, and no request waits at the end: the read of
/// the next record would wait behind it. The pause of a full queue is off for the same reason.
const SINGLE: &[(&str, &str)] = &[
    ("queued.min.messages", "1"),
    ("fetch.message.max.bytes", "65536"),
    ("fetch.wait.max.ms", "1"),
    ("fetch.queue.backoff.ms", "0"),
    ("isolation.level", "read_committed"),
];
/// Properties of consumers for ends. A writer learns of its commit before readers see it, so for a moment the readers'
/// end lies before a committed record. The end behind all records is the one that counts. No record is read with these
/// properties.
const END: &[(&str, &str)] = &[("isolation.level", "read_uncommitted")];

/// Returns a consumer for manually assigned partitions. It never joins its group, whose name only says that the
/// consumer is clade's.
fn consumer(config: &Config, purpose: &[(&str, &str)]) -> Result<BaseConsumer<Context>, LogError> {
    let group = config.name("clade");
    let (isolation, tuning): (Vec<_>, Vec<_>) =
        purpose.iter().copied().partition(|(name, _)| *name == "isolation.level");
    let defaults = [&tuning[..], &[("fetch.error.backoff.ms", "100")]].concat();
    let fixed = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        // If an event topic has dropped the requested offset, reading begins at the oldest record.
        ("auto.offset.reset", "earliest"),
    ];
    config
        .client(&defaults, &[&fixed[..], &isolation].concat())
        .create_with_context(Context::new(config.token_file().map(Into::into)))
        .map_err(|error| wrong_property(&error))
}

/// The first record at this moment or later, which may be one that no reader sees. `None` if there is none.
fn offset_for_time(
    consumer: &BaseConsumer<Context>,
    name: &str,
    partition: u16,
    timestamp: i64,
) -> Result<Option<Offset>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(1);
    asked.add_partition_offset(name, i32::from(partition), rdkafka::Offset::Offset(timestamp))?;
    let found = consumer.offsets_for_times(asked, PATIENCE)?;
    for element in found.elements() {
        element.error()?;
        if let rdkafka::Offset::Offset(offset) = element.offset() {
            return Ok(Some(offset.unsigned_abs()));
        }
    }
    Ok(None)
}

fn has_no_leader(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition))
}

fn wrong_property(error: &KafkaError) -> LogError {
    LogError::Configuration(match error {
        // librdkafka's text repeats the value, which may be a secret.
        KafkaError::ClientConfig(_, problem, name, _) => format!("the Kafka property {name}: {problem}"),
        other => format!("cannot make a Kafka client: {other}"),
    })
}

/// Reads the metadata of the cluster, once it answers.
fn reach(
    consumer: &BaseConsumer<Context>,
    config: &Config,
    patience: Duration,
) -> Result<Metadata, LogError> {
    let deadline = Instant::now() + patience;
    loop {
        // Serves the callbacks, which report why there is no connection.
        let _ = consumer.poll(Duration::from_millis(50));
        let context = consumer.client().context();
        if let Some(reason) = context.refused() {
            return Err(LogError::Configuration(format!(
                "Apache Kafka at {} refuses us: {reason}: check security.protocol, the SASL mechanism and credentials, \
                 and the certificates",
                config.bootstrap
            )));
        }
        match consumer.fetch_metadata(None, Duration::from_secs(1)) {
            Ok(metadata) => return Ok(metadata),
            Err(error) if Instant::now() >= deadline => {
                return Err(LogError::Unreachable(format!(
                    "Apache Kafka at {} does not answer within {} s: {}",
                    config.bootstrap,
                    patience.as_secs(),
                    context.last_error().unwrap_or_else(|| error.to_string())
                )));
            }
            Err(_) => {}
        }
    }
}

/// Returns the number of partitions. Fails unless every topic exists with the number that it must have.
fn check_topics(metadata: &Metadata, names: &Names) -> Result<u16, LogError> {
    let count = |topic: Topic| {
        let found = metadata.topics().iter().find(|found| found.name() == names.of(topic));
        found.map_or(0, |found| found.partitions().len())
    };
    let missing: Vec<&str> =
        Topic::ALL.into_iter().filter(|topic| count(*topic) == 0).map(|topic| names.of(topic)).collect();
    if !missing.is_empty() {
        return Err(LogError::Incompatible(format!(
            "the cluster has no topic {}: `clade topics apply` creates what is missing",
            missing.join(", ")
        )));
    }
    let partitions = count(Topic::Images);
    for topic in Topic::ALL {
        let expected = if topic.is_partitioned() { partitions } else { 1 };
        if count(topic) != expected {
            return Err(LogError::Incompatible(format!(
                "the topic {} has {} partitions and must have {expected}{}: images would be looked for in the wrong \
                 place. Never add partitions to a topic of clade; `clade topics migrate` copies everything into new \
                 topics with another number",
                names.of(topic),
                count(topic),
                if topic.is_partitioned() { ", as images has" } else { "" },
            )));
        }
    }
    u16::try_from(partitions).map_err(|_| {
        LogError::Incompatible(format!(
            "{partitions} partitions are more than clade can count; at most {}",
            u16::MAX
        ))
    })
}
