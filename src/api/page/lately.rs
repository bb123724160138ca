//! The events of the last day on a topic.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::asking::Asking;
use super::frame::Failed;
use crate::oci::Timestamp;
use crate::record::Topic;

/// Events that are read, at most.
const MOST: usize = 1_000;

/// An event of a topic.
#[derive(Deserialize)]
struct Event<T> {
    time: Timestamp,
    data: Option<T>,
}

/// The first thousand events of the last day.
pub(super) struct Lately<T> {
    /// In the order in which they were written.
    pub(super) events: Vec<(Timestamp, T)>,
    /// There are more.
    pub(super) has_more: bool,
}

impl<T: DeserializeOwned> Lately<T> {
    pub(super) async fn of(topic: Topic, api: &Asking) -> Result<Self, Failed> {
        let path = ["/v1/subscribe", topic.name()].join("/");
        let (events, has_more) = api.lines::<Event<T>>(&path, &[("from", "1d")], MOST).await?;
        let events = events.into_iter().filter_map(|Event { time, data }| Some((time, data?)));
        Ok(Self { events: events.collect(), has_more })
    }

    /// Their number, and whether there are more.
    pub(super) fn count(&self) -> String {
        let more = if self.has_more { "more than " } else { "" };
        format!("{more}{}", self.events.len())
    }
}
