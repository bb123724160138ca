//! Assigns partitions to processes through a consumer group: the classic protocol, cooperative-sticky, so that a
//! rebalance moves only the partitions that must move.
//!
//! The group only assigns partitions. Nothing is read through it, and its committed offsets are for people who watch
//! the lag: the real progress of a processor stands on the topic `progress`.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};

use super::change::Change;
use super::context::Context;
use super::reader::failed;
use super::{Config, KafkaLog, wrong_property};
use crate::log::{LogError, Offset};
use crate::record::Topic;

/// Membership of the group of processors.
pub struct Ownership {
    consumer: BaseConsumer<Context>,
    name: String,
}

impl KafkaLog {
    /// Joins the group of processors.
    pub fn join(&self) -> Result<Ownership, LogError> {
        Ownership::join(&self.config, self.names.of(Topic::Images))
    }
}

impl Ownership {
    fn join(config: &Config, images: &str) -> Result<Self, LogError> {
        let group = config.name("clade-processors");
        let defaults = [
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "1000"),
            // Partitions are paused, but fetches that were under way at the assignment may still arrive.
            ("queued.max.messages.kbytes", "1024"),
        ];
        let fixed = [
            ("group.id", group.as_str()),
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "latest"),
        ];
        let consumer: BaseConsumer<Context> = config
            .client(&defaults, &fixed)
            .create_with_context(Context::new(config.token_file().map(Into::into)))
            .map_err(|error| wrong_property(&error))?;
        consumer.subscribe(&[images]).map_err(|error| failed(Topic::Images, &error))?;
        Ok(Self { consumer, name: images.to_owned() })
    }

    /// The changes since the last call, in order; waits at most `timeout`. The caller must call this at least every few
    /// minutes: the group removes a member that is silent for longer.
    pub fn poll(&self, timeout: Duration) -> Result<Vec<Change>, LogError> {
        if let Some(Err(error)) = self.consumer.poll(timeout) {
            let failure = failed(Topic::Images, &error);
            if matches!(failure, LogError::Incompatible(_) | LogError::Configuration(_)) {
                return Err(failure);
            }
            tracing::debug!(%error, "the group goes on");
        }
        Ok(self.consumer.client().context().take_changes())
    }

    /// Commits the progress of partitions, for people who watch the lag of the group. Best effort.
    pub fn commit(&self, offsets: &[(u16, Offset)]) {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let Ok(offset) = i64::try_from(*offset) else { continue };
            // Fails for a negative offset only.
            let _ =
                list.add_partition_offset(&self.name, i32::from(*partition), rdkafka::Offset::Offset(offset));
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "the group's offsets were not committed");
        }
    }
}
