//! Passes on the events that match a filter, and the first event of each key that leaves it.

use std::collections::HashMap;

use super::event::{Content, Event};
use super::filter::{Filter, Verdict};
use super::groups::Group;
use super::members::Members;
use crate::log::{Log, LogError, Stored, TopicPartition};
use crate::record::Topic;

/// Keys to remember per partition, at most: some 200 MB.
const MOST_KEYS: usize = 4_000_000;

/// A filter with its memory.
pub(super) struct Sieve {
    topic: Topic,
    filter: Filter,
    is_going_on: bool,
    members: HashMap<u16, Members>,
    group: Option<Group>,
}

impl Sieve {
    /// `is_going_on` is `true` if the subscriber may have received earlier events.
    pub(super) fn new(
        log: &dyn Log,
        topic: Topic,
        filter: Filter,
        is_going_on: bool,
    ) -> Result<Self, LogError> {
        let group = match &filter.group {
            Some(group) if topic == Topic::Outdated => Some(Group::read(log, group)?),
            _ => None,
        };
        Ok(Self { topic, filter, is_going_on, members: HashMap::new(), group })
    }

    /// Updates the group, before the records of a read are judged.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        self.group.as_mut().map_or(Ok(()), Group::refresh)
    }

    /// Forgets a partition that another member of the consumer group has now. That member passes on its events.
    pub(super) fn forget(&mut self, partition: u16) {
        self.members.remove(&partition);
    }

    /// Returns the event if it matches, or if its subject no longer does.
    pub(super) fn pass(&mut self, partition: u16, stored: Stored) -> Result<Option<Event>, LogError> {
        let mut event = Event::new(TopicPartition { topic: self.topic, partition }, stored);
        if self.filter.is_empty() {
            return Ok(Some(event));
        }
        let (mut failure, group) = (None, &mut self.group);
        let is_in_group = |class: &str| match group.as_mut().map(|group| group.has(class)) {
            Some(Ok(is_in)) => is_in,
            Some(Err(error)) => {
                failure = Some(error);
                false
            }
            None => true,
        };
        let verdict = self.filter.judge(event.key(), &event.content, is_in_group);
        if let Some(error) = failure {
            return Err(error);
        }
        if matches!(event.content, Content::Unreadable(_)) {
            return Ok(Some(event));
        }
        let (topic, is_going_on) = (self.topic, self.is_going_on);
        let memory = || Members::new(is_going_on, MOST_KEYS);
        let members =
            self.filter.needs_memory(topic).then(|| self.members.entry(partition).or_insert_with(memory));
        let subject = subject(&event);
        match (verdict, members) {
            (Verdict::In, members) => {
                if let Some(members) = members {
                    members.enter(&subject);
                }
                return Ok(Some(event));
            }
            (Verdict::Left, _) => event.left = true,
            (Verdict::Out, Some(members)) => event.left = members.leave(&subject),
            (Verdict::Out | Verdict::Never, _) => {}
        }
        Ok(Some(event).filter(|event| event.left))
    }
}

/// The subject of an event: for transitions image and class, for other events the key.
fn subject(event: &Event) -> String {
    match &event.content {
        Content::Transition(record) => format!("{} {}", record.digest, record.class),
        _ => event.key().to_owned(),
    }
}
