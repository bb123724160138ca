//! Streams answers of any length: one JSON object per line.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Query as Params, State};
use axum::response::{IntoResponse, Response};
use http_body_util::StreamBody;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Ask;
use super::error::ApiError;
use super::limits::{Limits, PIECE};
use super::read::NoParams;
use crate::query::Query;
use crate::query::lineage::each;
use crate::view::Snapshot;

/// Pieces of an export that may wait for a slow reader, at most.
const PIECES: usize = 16;

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

/// Sends bytes in pieces. Returns `false` if the reader is gone.
pub(super) async fn send(bytes: Vec<u8>, to: &mpsc::Sender<Piece>) -> bool {
    let mut bytes = Bytes::from(bytes);
    while !bytes.is_empty() {
        if to.send(Ok(bytes.split_to(PIECE.min(bytes.len())))).await.is_err() {
            return false;
        }
    }
    !to.is_closed()
}

pub(super) async fn lineage(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Bounds,
    _: Params<NoParams>,
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
