//! Tells how far answers go, and whenever they may have changed: whoever looks at one knows when to ask again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query as Params, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Ask;
use super::error::ApiError;
use super::limits::Limits;
use super::read::NoParams;
use super::stream::{Piece, streamed};
use super::subscribe::{Protocol, SERVER_SENT};
use crate::oci::Digest;
use crate::query::Query;

/// Pause between two looks at the index, and so between two changes that are told: a page need not know sooner.
const LOOK: Duration = Duration::from_millis(500);
/// Time after which the position is told again: a client that hears nothing for longer has lost the connection.
const BEAT: Duration = Duration::from_secs(15);
/// Time after which a browser that has lost the connection comes again.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// A position.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PositionItem {
    /// The offsets of the log up to which answers have everything, for each partition those of `images`, `tags` and `catalog`.
    resource_version: String,
    /// A text that stays the same as long as answers do. What runs is in it, too.
    state: String,
}

impl PositionItem {
    fn of(asked: &dyn Ask) -> Self {
        let query = Query::new(asked.snapshot());
        let state = Digest::of(query.state().as_bytes()).short();
        Self { resource_version: query.resource_version(), state }
    }
}

pub(super) async fn position(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Extension<Arc<Limits>>,
    headers: HeaderMap,
    _: Params<NoParams>,
) -> Result<Response, ApiError> {
    if Protocol::wanted(&headers) == Protocol::Lines {
        return Ok(Json(PositionItem::of(&*asked)).into_response());
    }
    let place = limits.positions.enter().await?;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        tell(&*asked, &sender).await;
        drop(place);
    });
    Ok(streamed(SERVER_SENT, pieces))
}

/// Tells the present position, and again whenever something has changed, until the reader is gone.
async fn tell(asked: &dyn Ask, to: &mpsc::Sender<Piece>) {
    let (mut told, mut sent) = (None, Instant::now());
    loop {
        let position = PositionItem::of(asked);
        let has_changed = told.as_ref() != Some(&position.state);
        if has_changed || sent.elapsed() >= BEAT {
            let name = if has_changed { "change" } else { "beat" };
            let Ok(data) = serde_json::to_string(&position) else { return };
            let event = format!("retry: {}\nevent: {name}\ndata: {data}\n\n", COME_AGAIN.as_millis());
            if to.send(Ok(event.into())).await.is_err() {
                return;
            }
            (told, sent) = (Some(position.state), Instant::now());
        }
        tokio::select! {
            () = to.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
