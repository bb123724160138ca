//! Streams answers of any length: one JSON object per line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as Params, State};
use axum::response::IntoResponse;
use http_body_util::StreamBody;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Ask;
use super::error::ApiError;
use crate::log::SharedLog;
use crate::query::lineage::each;
use crate::record::{State as ImageState, Timestamp, Topic};
use crate::subscribe::{Events, Filter, Form, Next, Start, SubscribeError, Subscription};

/// Pieces of an answer that may wait for a slow reader, at most; each is a few dozen lines.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 64 << 10;
/// Interval at which a subscription checks whether its reader is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Runs `produce` on a thread of its own; its output becomes the body. `false` from [`Lines`] means that the reader is
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
        self.put_line(b"\n")
    }

    fn put_line(&mut self, line: &[u8]) -> bool {
        self.piece.extend_from_slice(line);
        self.piece.len() < PIECE_BYTES || self.flush()
    }

    fn flush(&mut self) -> bool {
        self.piece.is_empty() || self.sender.blocking_send(std::mem::take(&mut self.piece).into()).is_ok()
    }
}

pub(super) async fn lineage(State(asked): State<Arc<dyn Ask>>) -> impl IntoResponse {
    lines(move |lines| each(asked.snapshot(), |line| lines.put(&line)))
}

/// The parameters of a subscription: filter, start, whether it follows, and the output form.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SubscribeParams {
    class: Option<String>,
    group: Option<String>,
    state: Option<ImageState>,
    repository: Option<String>,
    namespace: Option<String>,
    follow: bool,
    from: String,
    output: Form,
}

impl Default for SubscribeParams {
    fn default() -> Self {
        let (class, group, state, repository, namespace) = Default::default();
        let (follow, from, output) = (false, "beginning".to_owned(), Form::default());
        Self { class, group, state, repository, namespace, follow, from, output }
    }
}

pub(super) async fn subscribe(
    State(asked): State<Arc<dyn Ask>>,
    Path(topic): Path<String>,
    Params(params): Params<SubscribeParams>,
) -> Result<impl IntoResponse, ApiError> {
    let topic = Topic::ALL.into_iter().find(|known| known.name() == topic).ok_or_else(|| {
        ApiError::invalid(format!(
            "there is no topic {topic:?}; subscribe to classifications, outdated, rebuilds, catalog or dead-letters"
        ))
    })?;
    let SubscribeParams { class, group, state: image_state, repository, namespace, follow, from, output } =
        params;
    let filter = Filter { class, group, state: image_state, repository, namespace };
    let subscription =
        Subscription::of(topic).filter(filter).start(Start::parse(&from, Timestamp::now())?).follow(follow);
    let log = SharedLog::clone(asked.log());
    // An invalid subscription is reported before the answer begins.
    let events = tokio::task::spawn_blocking(move || subscription.open(&*log));
    let events = events.await.map_err(ApiError::internal)??;
    Ok(lines(move |lines| {
        if let Err(error) = forward(events, output, lines) {
            tracing::warn!(%topic, %error, "a subscription has ended");
        }
    }))
}

/// Writes the events of the topic, until the reader is gone or has all events that it wanted.
fn forward(mut events: Events, form: Form, lines: &mut Lines) -> Result<(), SubscribeError> {
    let mut wait = LOOK;
    loop {
        match events.next_within(wait)? {
            Next::Event(event) => {
                if !event.line(form).is_ok_and(|line| lines.put_line(&line)) {
                    return Ok(());
                }
                wait = Duration::ZERO;
            }
            Next::Quiet if !lines.flush() || lines.sender.is_closed() => return Ok(()),
            Next::Quiet => wait = LOOK,
            Next::End => return Ok(()),
        }
    }
}
