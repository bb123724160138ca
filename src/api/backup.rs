//! Streams a copy of the log. No path travels: the client writes the copy with its own rights.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::mpsc;

use super::Ask;
use super::error::ApiError;
use super::limits::{Limits, PIECE};
use super::stream::{Piece, streamed};
use crate::log::{Copies, LogError, SharedLog};

/// Pieces that may wait for a slow reader, at most.
const PIECES: usize = 16;

const ON_A_CLUSTER: &str = "this clade works on Apache Kafka, whose brokers keep several copies of each topic: back the topics \
                            up there, for example with MirrorMaker";

pub(super) async fn backup(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Extension<Arc<Limits>>,
) -> Result<Response, ApiError> {
    let log = SharedLog::clone(asked.log());
    if log.copies().is_none() {
        return Err(ApiError::invalid(ON_A_CLUSTER));
    }
    let place = limits.backups.enter().await?;
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        match log.copies().map(|copies| send(copies, &sender)) {
            None | Some(Ok(()) | Err(LogError::Closed)) => {}
            Some(Err(error)) => tracing::warn!(%error, "a backup has failed"),
        }
        drop(place);
    });
    Ok(streamed("application/octet-stream", pieces))
}

/// Sends the copy, until the reader is gone. If the copy fails, its last part tells the reader.
fn send(copies: &dyn Copies, to: &mpsc::Sender<Piece>) -> Result<(), LogError> {
    let mut waiting = Vec::with_capacity(PIECE);
    let copied = copies.copy(&mut |part| {
        waiting.extend_from_slice(part);
        if waiting.len() < PIECE { Ok(()) } else { pass_on(&mut waiting, to) }
    });
    pass_on(&mut waiting, to)?;
    copied
}

fn pass_on(waiting: &mut Vec<u8>, to: &mpsc::Sender<Piece>) -> Result<(), LogError> {
    let piece = std::mem::replace(waiting, Vec::with_capacity(PIECE));
    to.blocking_send(Ok(piece.into())).map_err(|_| LogError::Closed)
}
