//! The start of a subscription.

use std::collections::BTreeMap;

use super::SubscribeError;
use crate::log::{Log, Offset, TopicPartition};
use crate::oci::time::duration;
use crate::record::{Timestamp, Topic};

/// The start of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Start {
    /// The oldest record that is kept.
    #[default]
    Beginning,
    /// The next record.
    End,
    /// In each partition, the first record that was appended at this moment or later.
    At(Timestamp),
    /// In each partition, this offset or the next one that is kept; a partition without an offset starts at its oldest
    /// record. It continues an earlier subscription: with a filter, each key that may have matched then and does not
    /// match now is passed on once.
    Offsets(BTreeMap<u16, Offset>),
}

/// The forms that `--from` accepts.
const FORMS: &str = "write beginning, end, a time as 2026-01-31T08:00:00Z, how long ago as 2h, 90m or 1d12h, or offsets as \
                     0:17,1:4 (partition:offset)";

impl Start {
    /// Parses `beginning`, `end`, a time of RFC 3339, a time span before `now` as `2h`, or `PARTITION:OFFSET,…`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, SubscribeError> {
        let wrong = |problem: &str| SubscribeError::Usage(format!("--from {text:?} {problem}: {FORMS}"));
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            "" => return Err(wrong("says nothing")),
            _ => {}
        }
        if text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || b":,".contains(&byte)) {
            return Ok(Self::Offsets(offsets(text).map_err(|problem| wrong(&problem))?));
        }
        if text.contains('-') || text.contains('T') {
            let at: Timestamp = text.parse().map_err(|_| wrong("is not a time of RFC 3339"))?;
            return Ok(Self::At(at));
        }
        let ago = duration(text).ok_or_else(|| wrong("is neither a time, nor a time span, nor offsets"))?;
        let at = now.checked_sub(ago).map_err(|_| wrong("is longer ago than can be counted"))?;
        Ok(Self::At(at))
    }

    /// Returns `true` if the subscriber may have received earlier events.
    pub(super) fn is_going_on(&self) -> bool {
        matches!(self, Self::Offsets(_))
    }

    /// The offset at which each partition starts.
    pub(super) fn resolve(
        &self,
        log: &dyn Log,
        topic: Topic,
        now: Timestamp,
    ) -> Result<Vec<(u16, Offset)>, SubscribeError> {
        let partitions = if topic.is_partitioned() { log.partitions() } else { 1 };
        if let Self::At(at) = self
            && *at > now
        {
            return Err(SubscribeError::Usage(format!(
                "{at} is in the future, it is {now} now: to begin with what comes next, say end"
            )));
        }
        if let Self::Offsets(offsets) = self {
            check(log, topic, partitions, offsets)?;
        }
        let begin = |partition| {
            let of = TopicPartition { topic, partition };
            Ok((
                partition,
                match self {
                    Self::Beginning => 0,
                    Self::End => log.end(of)?,
                    Self::At(at) => log.offset_at(of, at.as_millisecond())?,
                    Self::Offsets(offsets) => offsets.get(&partition).copied().unwrap_or(0),
                },
            ))
        };
        (0..partitions).map(begin).collect()
    }
}

/// Checks that these partitions and offsets can exist.
fn check(
    log: &dyn Log,
    topic: Topic,
    partitions: u16,
    offsets: &BTreeMap<u16, Offset>,
) -> Result<(), SubscribeError> {
    for (partition, offset) in offsets {
        if *partition >= partitions {
            return Err(SubscribeError::Usage(format!(
                "{topic} has no partition {partition}: it has {partitions}, counted from 0"
            )));
        }
        let end = log.end(TopicPartition { topic, partition: *partition })?;
        if *offset > end {
            return Err(SubscribeError::Usage(format!(
                "{topic}[{partition}] has no offset {offset} yet: it ends before {end}. To begin with what comes next, \
                 say {partition}:{end}"
            )));
        }
    }
    Ok(())
}

fn offsets(text: &str) -> Result<BTreeMap<u16, Offset>, String> {
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let place = part.split_once(':').and_then(|(partition, offset)| {
            Some((partition.parse::<u16>().ok()?, offset.parse::<Offset>().ok()?))
        });
        let (partition, offset) =
            place.ok_or_else(|| format!("has {part:?}, which is no partition and offset"))?;
        if offsets.insert(partition, offset).is_some() {
            return Err(format!("names partition {partition} twice"));
        }
    }
    Ok(offsets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_in_each_of_its_forms() {
        let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
        let at = |text: &str| Start::At(text.parse().unwrap());
        for (text, expected) in [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("2026-01-31T08:00:00Z", at("2026-01-31T08:00:00Z")),
            ("2026-01-31T08:00:00+02:00", at("2026-01-31T06:00:00Z")),
            ("2h", at("2026-02-01T10:00:00Z")),
            ("1d30m", at("2026-01-31T11:30:00Z")),
            ("0:17,3:4", Start::Offsets(BTreeMap::from([(0, 17), (3, 4)]))),
        ] {
            assert_eq!(Start::parse(text, now).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_start_is_told_with_what_to_write_instead() {
        for (text, told) in [
            ("2", "neither a time"),
            ("2y", "neither a time"),
            ("yesterday", "neither a time"),
            ("2026-01-31", "not a time of RFC 3339"),
            ("0:1,0:2", "partition 0 twice"),
            ("0:", "no partition and offset"),
            ("99999:1", "no partition and offset"),
            ("5000000d", "longer ago"),
            ("", "says nothing"),
        ] {
            let error = Start::parse(text, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("write beginning, end"), "{text}: {error}");
        }
    }
}
