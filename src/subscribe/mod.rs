//! Subscriptions: reads the events of a topic in order, from any start, with a filter.
//!
//! Works on any log. This runs without anything else:
//!
//! ```
//! use std::sync::Arc;
//! use clade::log::memory::{Faults, MemoryLog};
//! use clade::log::{Log as _, TopicPartition};
//! use clade::record::{DeadLetterRecord, Topic, encode};
//! use clade::subscribe::{Content, Subscription};
//!
//! let log = Arc::new(MemoryLog::new(4, Faults::none()));
//! let letter = DeadLetterRecord::new("images.jsonl:7".into(), None, "no digest".into(), None);
//! let to = TopicPartition { topic: Topic::DeadLetters, partition: 0 };
//! log.writer("example")?.append(vec![(to, encode("images.jsonl:7".into(), &letter)?)])?;
//!
//! for event in Subscription::of(Topic::DeadLetters).open(&*log)? {
//!     let event = event?;
//!     if let Content::DeadLetter(letter) = &event.content {
//!         assert_eq!((event.key(), letter.reason.as_str()), ("images.jsonl:7", "no digest"));
//!     }
//!     println!("{}", serde_json::to_string(&event.cloud_event())?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! And this follows images that become outdated, on Apache Kafka:
//!
//! ```no_run
//! use std::time::Duration;
//! use clade::log::kafka::{Config, KafkaLog};
//! use clade::record::{State, Topic};
//! use clade::subscribe::{Content, Filter, Next, Start, Subscription};
//!
//! let log = KafkaLog::open(Config::new("kafka:9092", ""))?;
//! let filter = Filter { class: Some("rhel7".into()), state: Some(State::Outdated), ..Filter::default() };
//! let mut events =
//!     Subscription::of(Topic::Outdated).filter(filter).start(Start::End).follow(true).open(&log)?;
//! loop {
//!     match events.next_within(Duration::from_secs(1))? {
//!         Next::Event(event) if event.left => println!("{} is not outdated any more", event.key()),
//!         Next::Event(event) => {
//!             if let Content::Transition(transition) = &event.content {
//!                 println!("{} is outdated: {:?}", transition.digest, transition.tags);
//!             }
//!         }
//!         Next::Quiet => {} // time to look whether to stop
//!         Next::End => break,
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Filters, and keys that leave them
//!
//! A subscriber that keeps events by key must learn that a key has left the filter. So the first event of a key that
//! matched and does not match any more is passed on too, marked [`Event::left`]. A transition itself states the earlier
//! standing of its image. For other topics the subscription remembers matching keys, 16 bytes each, up to four million
//! per partition. Beyond that, after a start from offsets, and in a consumer group, the earlier events of the
//! subscriber are unknown: there each key that does not match is passed on once. Removing a key that is not there does
//! no harm.
//!
//! A transition has no groups: its class is looked up in the catalog as of the time of reading. The tags of a
//! transition are those of that moment; a tag that moves later is no transition.
//!
//! # Consumer groups
//!
//! [`Subscription::open_group`] shares the partitions of a topic on Apache Kafka among the members of a group, and
//! continues at the committed offsets of the group. Events without a [`GroupEvents::commit`] come again after a crash:
//! at-least-once delivery. [`Event::id`] is the same each time.

mod event;
mod events;
mod filter;
mod group;
mod groups;
mod members;
mod sieve;
mod start;

pub use event::{CloudEvent, Content, Event, Form, Plain};
pub use events::{Events, Next};
pub use filter::Filter;
pub use group::GroupEvents;
pub use start::Start;

use crate::log::kafka::{GroupReader, GroupStart, KafkaLog};
use crate::log::{Log, LogError};
use crate::record::{Timestamp, Topic};
use sieve::Sieve;

/// An error of a subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The subscription is invalid; the text says what to request instead.
    #[error("{0}")]
    Usage(String),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A subscription to a topic, with a start, a filter, and whether it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    topic: Topic,
    filter: Filter,
    start: Start,
    follow: bool,
}

impl Subscription {
    /// Subscribes to the present records of a topic.
    pub fn of(topic: Topic) -> Self {
        Self { topic, filter: Filter::default(), start: Start::default(), follow: false }
    }

    /// Sets the filter. Events of keys that leave it are passed on too.
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Sets the start.
    #[must_use]
    pub fn start(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// Sets whether the subscription waits for further events.
    #[must_use]
    pub fn follow(self, follow: bool) -> Self {
        Self { follow, ..self }
    }

    /// Opens the subscription. It returns a usage error if the filter does not apply to the topic, or the start does
    /// not exist.
    pub fn open(self, log: &dyn Log) -> Result<Events, SubscribeError> {
        self.filter.check(self.topic)?;
        let from = self.start.resolve(log, self.topic, Timestamp::now())?;
        let sieve = Sieve::new(log, self.topic, self.filter, self.start.is_going_on())?;
        Ok(Events::new(log.reader(self.topic, &from)?, sieve, self.follow, from))
    }

    /// Joins a consumer group on Apache Kafka. The subscription always follows. The start, which must be the beginning
    /// or the end, applies to partitions for which the group has no committed offset.
    pub fn open_group(self, log: &KafkaLog, group: &str) -> Result<GroupEvents, SubscribeError> {
        self.filter.check(self.topic)?;
        if !GroupReader::is_name(group) {
            return Err(SubscribeError::Usage(format!(
                "a consumer group of a subscriber cannot be called {group:?}: names that begin with clade are clade's own"
            )));
        }
        let start = match self.start {
            Start::Beginning => GroupStart::Beginning,
            Start::End => GroupStart::End,
            Start::At(_) | Start::Offsets(_) => {
                return Err(SubscribeError::Usage(
                    "a consumer group goes on where it has stopped: it begins at beginning or end the first time, and \
                     nowhere else"
                        .to_owned(),
                ));
            }
        };
        let reader = log.group(group, self.topic, start)?;
        Ok(GroupEvents::new(reader, Sieve::new(log, self.topic, self.filter, true)?))
    }
}
