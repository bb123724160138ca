//! Answers without an end in sight: one JSON object a line.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as Params, State};
use axum::response::IntoResponse;
use http_body_util::StreamBody;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::ApiState;
use super::error::ApiError;
use crate::log::{Log, LogError, Offset, ReadLimit, Stored, TopicPartition};
use crate::query::lineage::each;
use crate::record::{Timestamp, Topic};

/// Pieces of an answer that may wait for a slow reader; each is a few dozen lines.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 64 << 10;
/// How often a subscription looks whether its reader is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Runs `produce` on a thread of its own; what it puts out becomes the body. It learns from `false` that the reader is
/// gone.
fn lines(produce: impl FnOnce(&mut Lines) + Send + 'static) -> impl IntoResponse {
    let (sender, receiver) = mpsc::channel::<Bytes>(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { sender, piece: Vec::new() };
        produce(&mut lines);
        lines.flush();
    });
    let frames = ReceiverStream::new(receiver)
        .map(|piece| Ok::<_, std::convert::Infallible>(http_body::Frame::data(piece)));
    ([("content-type", "application/x-ndjson")], Body::new(StreamBody::new(frames)))
}

struct Lines {
    sender: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Lines {
    fn put(&mut self, line: &impl Serialize) -> bool {
        if serde_json::to_writer(&mut self.piece, line).is_err() {
            return false;
        }
        self.piece.push(b'\n');
        self.piece.len() < PIECE_BYTES || self.flush()
    }

    fn flush(&mut self) -> bool {
        self.piece.is_empty() || self.sender.blocking_send(std::mem::take(&mut self.piece).into()).is_ok()
    }
}

pub(super) async fn lineage(State(state): State<ApiState>) -> impl IntoResponse {
    lines(move |lines| each(state.engine.view().snapshot(), |line| lines.put(&line)))
}

/// From where, and whether to go on for ever.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SubscribeParams {
    follow: bool,
    from: Start,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Start {
    #[default]
    Beginning,
    End,
}

/// A record as a CloudEvent in structured JSON, with its place on the log.
#[derive(Serialize)]
struct Event<'a> {
    topic: &'a str,
    partition: u16,
    offset: Offset,
    time: String,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    key: &'a str,
    data: Option<&'a serde_json::value::RawValue>,
}

pub(super) async fn subscribe(
    State(state): State<ApiState>,
    Path(topic): Path<String>,
    Params(params): Params<SubscribeParams>,
) -> Result<impl IntoResponse, ApiError> {
    let topic = Topic::ALL.into_iter().find(|known| known.name() == topic).ok_or_else(|| {
        ApiError::invalid(format!(
            "there is no topic {topic:?}; subscribe to classifications, outdated or dead-letters"
        ))
    })?;
    Ok(lines(move |lines| {
        if let Err(error) = forward(&**state.engine.log(), topic, &params, lines) {
            tracing::warn!(%topic, %error, "a subscription has ended");
        }
    }))
}

/// Puts out what the topic has, and what comes, until the reader has gone away or has all that it wanted.
fn forward(log: &dyn Log, topic: Topic, params: &SubscribeParams, lines: &mut Lines) -> Result<(), LogError> {
    let limit = ReadLimit { records: 1024, bytes: 4 << 20 };
    let partitions = if topic.is_partitioned() { log.partitions() } else { 1 };
    let begin = |partition| {
        Ok(match params.from {
            Start::Beginning => (partition, 0),
            Start::End => (partition, log.end(TopicPartition { topic, partition })?),
        })
    };
    let from = (0..partitions).map(begin).collect::<Result<Vec<_>, LogError>>()?;
    let mut reader = log.reader(topic, &from)?;
    loop {
        let fetched = reader.read(limit, LOOK)?;
        let of = TopicPartition { topic, partition: fetched.partition };
        if !fetched.records.iter().all(|stored| put_event(of, stored, lines)) {
            return Ok(());
        }
        if fetched.at_end && !params.follow
            || fetched.records.is_empty() && (!lines.flush() || lines.sender.is_closed())
        {
            return Ok(());
        }
    }
}

fn put_event(of: TopicPartition, stored: &Stored, lines: &mut Lines) -> bool {
    let header = |name: &str| {
        let found = stored.record.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let time = Timestamp::from_millisecond(stored.timestamp).unwrap_or_default().to_string();
    let data = stored.record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
    lines.put(&Event {
        topic: of.topic.name(),
        partition: of.partition,
        offset: stored.offset,
        time,
        id: header("ce_id"),
        kind: header("ce_type"),
        key: &stored.record.key,
        data,
    })
}
