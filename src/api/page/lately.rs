//! The events of the last day on a topic.

use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::asking::Asking;
use super::frame::Failed;
use crate::oci::Timestamp;
use crate::record::Topic;

/// Events that are read at once, at most.
const MOST: usize = 1_000;
/// The spans of time that are asked for, until one has no more events than that.
const SPANS: [(&str, &str); 3] = [("1d", "day"), ("1h", "hour"), ("1m", "minute")];

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
    /// The span of time that they are of.
    span: &'static str,
    /// There are more, even in that span.
    has_more: bool,
}

impl<T: DeserializeOwned> Lately<T> {
    pub(super) async fn of(topic: Topic, api: &Asking) -> Result<Self, Failed> {
        let path = ["/v1/subscribe", topic.name()].join("/");
        let mut found = (Vec::new(), false, "");
        for (from, span) in SPANS {
            let (events, has_more) = api.lines::<Event<T>>(&path, &[("from", from)], MOST).await?;
            found = (events, has_more, span);
            if !has_more {
                break;
            }
        }
        let (mut events, has_more, span) = found;
        // Partitions are read in any order.
        events.sort_by_key(|of| (of.time, of.partition, of.offset));
        let places = events.iter().map(|of| format!("{}:{} ", of.partition, of.offset));
        api.see(places.collect::<String>().as_bytes());
        let events = events.into_iter().rev().filter_map(|Event { time, data, .. }| Some((time, data?)));
        Ok(Self { events: events.collect(), span, has_more })
    }

    /// Their number.
    pub(super) fn number(&self) -> String {
        let is_all = self.span == SPANS[0].1 && !self.has_more;
        if is_all { self.events.len().to_string() } else { format!("over {MOST}") }
    }

    /// What is not shown of the last day, if so many are, and how to see it.
    pub(super) fn rest(&self, shown: usize, topic: Topic) -> Markup {
        let is_of_less = self.span != SPANS[0].1;
        html! {
            @if is_of_less || self.has_more || self.events.len() > shown {
                p { "There are " (self.number()) " of the last day. These are "
                    @if self.has_more { "some" } @else { "the last" }
                    @if is_of_less { " of the last " (self.span) }
                    ". " code { "clade subscribe " (topic.name()) " --from 1d" } " prints all of them." }
            }
        }
    }
}
