//! Streams answers of any length: one JSON object per line.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as Params, State};
use axum::response::{IntoResponse, Response};
use http_body_util::StreamBody;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Ask;
use super::error::ApiError;
use super::limits::{Gate, Limits, PIECE};
use crate::log::SharedLog;
use crate::query::Query;
use crate::query::lineage::each;
use crate::record::{State as ImageState, Timestamp, Topic};
use crate::subscribe::{Events, Filter, Form, Next, Start, Subscription};
use crate::view::Snapshot;

/// Pieces of an export that may wait for a slow reader, at most.
const PIECES: usize = 16;
/// Time for which one read of a subscription waits for events.
const LOOK: Duration = Duration::from_millis(20);
/// Pause of a subscription after a read without an event.
const REST: Duration = Duration::from_millis(150);
/// Time without an event after which a subscription sends an empty line. If its client has gone without a word, sending
/// fails in the end, and the place is free.
const BEAT: Duration = Duration::from_secs(30);

/// Marks an answer that is made while its client reads, so that it has no time limit as a whole.
#[derive(Clone, Copy)]
pub(super) struct Streamed;

/// A piece of an answer, or the error after which it breaks off: its client must not take it for complete.
pub(super) type Piece = Result<Bytes, ApiError>;

type Bounds = Extension<Arc<Limits>>;

/// An answer whose body is what comes through the channel.
pub(super) fn lines(pieces: mpsc::Receiver<Piece>) -> Response {
    streamed("application/x-ndjson", pieces)
}

/// The same for a body of any type.
pub(super) fn streamed(content_type: &'static str, pieces: mpsc::Receiver<Piece>) -> Response {
    let frames = ReceiverStream::new(pieces).map(|piece| piece.map(http_body::Frame::data));
    let body = Body::new(StreamBody::new(frames));
    ([("content-type", content_type)], Extension(Streamed), body).into_response()
}

pub(super) async fn lineage(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
) -> Result<Response, ApiError> {
    let place = limits.exports.enter().await?;
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        export(asked.snapshot(), &sender);
        drop(place);
    });
    Ok(lines(pieces))
}

/// Sends the lineage of every image, until the reader is gone.
fn export(snapshot: Snapshot, to: &mpsc::Sender<Piece>) {
    let mut out = Lines { piece: Vec::new(), to };
    each(snapshot, |line| out.put(&line));
    out.end();
}

/// Sends items as lines, many in one piece.
struct Lines<'a> {
    piece: Vec<u8>,
    to: &'a mpsc::Sender<Piece>,
}

impl Lines<'_> {
    /// Adds a line. Returns `false` if the reader is gone.
    fn put(&mut self, item: &impl Serialize) -> bool {
        if serde_json::to_writer(&mut self.piece, item).is_err() {
            return false;
        }
        self.piece.push(b'\n');
        self.piece.len() < PIECE || self.send()
    }

    fn send(&mut self) -> bool {
        self.to.blocking_send(Ok(std::mem::take(&mut self.piece).into())).is_ok()
    }

    fn end(mut self) {
        // The reader may be gone.
        let _ = self.send();
    }
}

/// The parameters of an export of versions.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VersionsParams {
    /// The class; without, all that follow a tag.
    class: Option<String>,
}

pub(super) async fn versions(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    Params(params): Params<VersionsParams>,
) -> Result<Response, ApiError> {
    let place = limits.exports.enter().await?;
    let (sender, pieces) = mpsc::channel(PIECES);
    // The query lets go of the index before the client reads.
    let versions = Query::new(asked.snapshot()).versions(params.class.as_deref())?;
    tokio::task::spawn_blocking(move || {
        let mut out = Lines { piece: Vec::new(), to: &sender };
        if versions.into_iter().all(|version| out.put(&version)) {
            out.end();
        }
        drop(place);
    });
    Ok(lines(pieces))
}

/// The parameters of a subscription: filter, start, whether it follows, and the output form.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
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
    Extension(limits): Bounds,
    Path(topic): Path<String>,
    Params(params): Params<SubscribeParams>,
) -> Result<Response, ApiError> {
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
    let place = limits.subscriptions.enter().await?;
    // An invalid subscription is reported before the answer begins.
    let events = limits.reads.run(move || subscription.open(&*log)).await??;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = forward(events, output, &sender, &limits.reads).await {
            tracing::warn!(%topic, %error, "a subscription has ended");
            let _ = sender.send(Err(error)).await;
        }
        drop(place);
    });
    Ok(lines(pieces))
}

/// Sends the events of the topic, until the reader is gone or has all events that it wanted. It needs a thread only while
/// it reads the log.
async fn forward(
    mut events: Events,
    form: Form,
    to: &mpsc::Sender<Piece>,
    reads: &Gate,
) -> Result<(), ApiError> {
    let (mut sent, mut wait) = (Instant::now(), LOOK);
    loop {
        let read = move || {
            let read = read(&mut events, form, wait);
            (events, read)
        };
        let (again, read) = reads.run(read).await?;
        events = again;
        let Read { mut piece, is_at_end } = read?;
        let rests = piece.is_empty() && events.has_caught_up();
        // After a rest there is something or not: the thread is for others.
        wait = if rests { Duration::ZERO } else { LOOK };
        if piece.is_empty() && sent.elapsed() >= BEAT {
            piece.push(b'\n');
        }
        if !piece.is_empty() {
            sent = Instant::now();
        }
        if !piece.is_empty() && to.send(Ok(piece.into())).await.is_err() || is_at_end || to.is_closed() {
            return Ok(());
        }
        if rests {
            tokio::select! {
                () = to.closed() => return Ok(()),
                () = tokio::time::sleep(REST) => {}
            }
        }
    }
}

/// The lines of the events that one read has found.
struct Read {
    piece: Vec<u8>,
    is_at_end: bool,
}

/// Reads events until a piece is full or none is there.
fn read(events: &mut Events, form: Form, mut wait: Duration) -> Result<Read, ApiError> {
    let mut piece = Vec::new();
    loop {
        match events.next_within(wait)? {
            Next::Event(event) => {
                piece.extend(event.line(form).map_err(ApiError::internal)?);
                wait = Duration::ZERO;
            }
            Next::Quiet => return Ok(Read { piece, is_at_end: false }),
            Next::End => return Ok(Read { piece, is_at_end: true }),
        }
        if piece.len() >= PIECE {
            return Ok(Read { piece, is_at_end: false });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_fails_breaks_off() {
        let (sender, pieces) = mpsc::channel(2);
        sender.send(Ok("{}".into())).await.unwrap();
        sender.send(Err(ApiError::internal("the disk is gone"))).await.unwrap();
        drop(sender);
        assert!(to_bytes(lines(pieces).into_body(), 100).await.is_err(), "it looks complete");
    }
}
