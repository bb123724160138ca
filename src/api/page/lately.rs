//! The events of the last day on a topic.

use maud::{Markup, html};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::asking::Asking;
use super::frame::Failed;
use crate::oci::Timestamp;
use crate::record::Topic;

/// Events that are read at once, at most.
const MOST: usize = 1_000;
/// The day, and shorter spans of time that are asked for while one has more events than that.
const DAY: &str = "1d";
const SHORTER: [(&str, &str); 2] = [("1h", "hour"), ("1m", "minute")];

/// An event of a topic.
#[derive(Deserialize)]
struct Event<T> {
    partition: u16,
    offset: u64,
    time: Timestamp,
    data: Option<T>,
}

/// The events of the last day, or of less if there are many.
pub(super) struct Lately<T> {
    /// The newest first.
    pub(super) events: Vec<(Timestamp, T)>,
    /// The number of events of the last day.
    number: Number,
    /// The span of time that `events` is of, if it is not the day.
    shorter: Option<&'static str>,
    /// That span has more of them.
    has_more: bool,
}

/// A number of events, as far as they were read.
pub(super) struct Number {
    pub(super) read: usize,
    has_more: bool,
}

impl Number {
    /// The number of events of the last day on a topic.
    pub(super) async fn of(topic: Topic, api: &Asking) -> Result<Self, Failed> {
        let (events, has_more) = read::<IgnoredAny>(topic, DAY, api).await?;
        Ok(Self { read: events.len(), has_more })
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        let over = if self.has_more { "over " } else { "" };
        format!("{over}{}", self.read)
    }
}

impl<T: DeserializeOwned> Lately<T> {
    /// Reads them. The view counts as another when they are others.
    pub(super) async fn of(topic: Topic, api: &Asking) -> Result<Self, Failed> {
        let (mut events, mut has_more) = read::<Event<T>>(topic, DAY, api).await?;
        let number = Number { read: events.len(), has_more };
        let (mut spans, mut shorter) = (SHORTER.into_iter(), None);
        while has_more && let Some((from, span)) = spans.next() {
            (events, has_more) = read(topic, from, api).await?;
            shorter = Some(span);
        }
        // Partitions are read in any order.
        events.sort_by_key(|of| (of.time, of.partition, of.offset));
        let places = events.iter().map(|of| format!("{}:{} ", of.partition, of.offset));
        api.see(places.collect::<String>().as_bytes());
        let events = events.into_iter().rev().filter_map(|Event { time, data, .. }| Some((time, data?)));
        Ok(Self { events: events.collect(), number, shorter, has_more })
    }

    /// Tells how many there are and how to see them, where a view shows only so many of them.
    pub(super) fn rest(&self, shown: usize, topic: Topic) -> Markup {
        html! {
            @if self.shorter.is_some() || self.events.len() > shown {
                p { "There are " (self.number.told()) " of the last day. These are "
                    @if self.has_more { "some" } @else { "the last" }
                    @if let Some(span) = self.shorter { " of the last " (span) }
                    ". " code { "clade subscribe " (topic.name()) " --from 1d" } " prints all of them." }
            }
        }
    }
}

async fn read<T: DeserializeOwned>(topic: Topic, from: &str, api: &Asking) -> Result<(Vec<T>, bool), Failed> {
    let path = ["/v1/subscribe", topic.name()].join("/");
    api.lines(&path, &[("from", from)], MOST).await
}
