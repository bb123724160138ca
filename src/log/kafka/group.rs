//! Reads a topic together with other members of a consumer group, whose committed offsets say where each partition
//! continues.
//!
//! The group is a subscriber's own, never that of the processors (`ownership`). Commits cover only records that the
//! subscriber has marked as done, so after a crash the rest comes again: at-least-once delivery.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::Context;
use super::reader::{failed, passes, stored, whole_milliseconds};
use super::{Change, KafkaLog, wrong_property};
use crate::log::{LogError, Offset, ReadLimit, Stored};
use crate::record::Topic;

/// The start position of a group without committed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStart {
    /// The oldest record.
    Beginning,
    /// The next record.
    End,
}

/// The result of one read through a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRead {
    /// The changes of the group's assignment, in order. They come before the records.
    pub changes: Vec<Change>,
    /// The records with their partitions, in the order of their offsets in each.
    pub records: Vec<(u16, Stored)>,
}

/// A member of a consumer group that reads committed records of one topic. It leaves the group when dropped.
pub struct GroupReader {
    consumer: BaseConsumer<Context>,
    topic: Topic,
    name: String,
    /// The next offset of partitions with records that are done and not committed.
    done: BTreeMap<u16, Offset>,
}

impl KafkaLog {
    /// Joins the consumer group `group`, whose name gets the prefix of the cluster's topics. Names that begin with
    /// `clade` are clade's own and refused: a foreign member in the group of processors would take partitions away from
    /// them.
    pub fn group(&self, group: &str, topic: Topic, start: GroupStart) -> Result<GroupReader, LogError> {
        if !GroupReader::is_name(group) {
            return Err(LogError::Configuration(format!(
                "{group:?} cannot be the name of a subscriber's consumer group: take one that is not empty and does not \
                 begin with clade, as those are clade's own"
            )));
        }
        let group = self.config.name(group);
        let defaults = [
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "1000"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.wait.max.ms", "100"),
            ("fetch.error.backoff.ms", "100"),
        ];
        let reset = match start {
            GroupStart::Beginning => "earliest",
            GroupStart::End => "latest",
        };
        let fixed = [
            ("group.id", group.as_str()),
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", reset),
            ("isolation.level", "read_committed"),
        ];
        let context = Context::new(self.config.token_file().map(Into::into)).reading();
        let consumer: BaseConsumer<Context> = self
            .config
            .client(&defaults, &fixed)
            .create_with_context(context)
            .map_err(|error| wrong_property(&error))?;
        let name = self.names.of(topic).to_owned();
        consumer.subscribe(&[&name]).map_err(|error| failed(topic, &error))?;
        Ok(GroupReader { consumer, topic, name, done: BTreeMap::new() })
    }
}

impl GroupReader {
    /// Returns `true` if a subscriber's group may have this name.
    pub fn is_name(group: &str) -> bool {
        !group.is_empty() && !group.starts_with("clade")
    }

    /// Reads the records since the last call; waits at most `timeout`. The caller must call this at least every few
    /// minutes: the group removes a member that is silent for longer.
    pub fn read(&mut self, limit: ReadLimit, timeout: Duration) -> Result<GroupRead, LogError> {
        let deadline = Instant::now() + timeout;
        let (mut read, mut bytes) = (GroupRead::default(), 0);
        loop {
            let wait = match read.records.is_empty() {
                true => whole_milliseconds(deadline.saturating_duration_since(Instant::now())),
                false => Duration::ZERO,
            };
            let polled = self.consumer.poll(wait);
            let changes = self.consumer.client().context().take_changes();
            for change in &changes {
                if let Change::Lost(partitions) = change {
                    // The next owner continues at the committed offset.
                    self.done.retain(|partition, _| !partitions.contains(partition));
                    read.records.retain(|(partition, _)| !partitions.contains(partition));
                }
            }
            let has_changed = !changes.is_empty();
            read.changes.extend(changes);
            match polled {
                Some(Ok(message)) => {
                    let (partition, stored) = stored(&message)?;
                    bytes += stored.record.bytes();
                    read.records.push((partition, stored));
                    if read.records.len() >= limit.records || bytes >= limit.bytes {
                        return Ok(read);
                    }
                }
                Some(Err(error)) if passes(&error) => {
                    tracing::debug!(topic = %self.topic, %error, "the group goes on");
                }
                Some(Err(error)) => return Err(failed(self.topic, &error)),
                None if has_changed || !read.records.is_empty() || Instant::now() >= deadline => {
                    return Ok(read);
                }
                None => {}
            }
        }
    }

    /// Marks every record of the partition before `next` as done.
    pub fn done(&mut self, partition: u16, next: Offset) {
        self.done.insert(partition, next);
    }

    /// Commits the marked offsets, and blocks until that is done. It may fail during a rebalance: the next call commits
    /// them.
    pub fn commit(&mut self) -> Result<(), LogError> {
        if self.done.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(self.done.len());
        for (partition, next) in &self.done {
            let Ok(next) = i64::try_from(*next) else { continue };
            list.add_partition_offset(&self.name, i32::from(*partition), rdkafka::Offset::Offset(next))
                .map_err(|error| failed(self.topic, &error))?;
        }
        match self.consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => self.done.clear(),
            Err(error) if is_refused(&error) => return Err(failed(self.topic, &error)),
            Err(error) => tracing::debug!(%error, "the group's offsets are not committed yet"),
        }
        Ok(())
    }
}

fn is_refused(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{GroupAuthorizationFailed, TopicAuthorizationFailed};
    matches!(error.rdkafka_error_code(), Some(GroupAuthorizationFailed | TopicAuthorizationFailed))
}
