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
use crate::log::{Log, Offset, ReadLimit, Stored, TopicPartition};
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
        let log = state.engine.log();
        let partitions = if topic.is_partitioned() { log.partitions() } else { 1 };
        let mut next: Vec<(TopicPartition, Offset)> =
            (0..partitions).map(|partition| (TopicPartition { topic, partition }, 0)).collect();
        if let Start::End = params.from {
            for (of, offset) in &mut next {
                *offset = log.end(*of).unwrap_or(0);
            }
        }
        loop {
            let mut is_at_end = true;
            for (of, offset) in &mut next {
                match forward(&**log, *of, offset, lines) {
                    Ok(true) => is_at_end = false,
                    Ok(false) => {}
                    Err(Gone) => return,
                }
            }
            if is_at_end {
                if !params.follow || !lines.flush() || lines.sender.is_closed() {
                    return;
                }
                if log.wait(&next, LOOK).is_err() {
                    return;
                }
            }
        }
    }))
}

/// The reader has gone away.
struct Gone;

/// Puts out one read's worth of a partition; whether there was any.
fn forward(log: &dyn Log, of: TopicPartition, offset: &mut Offset, lines: &mut Lines) -> Result<bool, Gone> {
    let limit = ReadLimit { records: 1024, bytes: 4 << 20 };
    let fetched = log.read(of, *offset, limit).map_err(|_| Gone)?;
    *offset = fetched.next;
    for stored in &fetched.records {
        if !put_event(of, stored, lines) {
            return Err(Gone);
        }
    }
    Ok(!fetched.records.is_empty())
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
