//! Tells whenever answers may have changed, for whoever looks at one and wants to know when to ask again.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query as Params, State};
use axum::http::HeaderMap;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Ask;
use super::error::ApiError;
use super::limits::Limits;
use super::read::NoParams;
use super::stream::{Piece, lines, streamed};
use super::subscribe::{Protocol, SERVER_SENT};
use crate::query::Query;

/// Pause between two looks at the index, and so between two changes that are told: a page need not know sooner.
const LOOK: Duration = Duration::from_millis(500);
/// Time after which the position is told again: a client that hears nothing for longer has lost the connection.
const BEAT: Duration = Duration::from_secs(15);
/// Time after which a browser that has lost the connection comes again.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// The index, or what is known of what runs, has changed; or nothing has for 15 s.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    /// The position up to which answers now have everything.
    resource_version: String,
}

pub(super) async fn changes(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Extension<Arc<Limits>>,
    headers: HeaderMap,
    _: Params<NoParams>,
) -> Result<Response, ApiError> {
    let protocol = Protocol::wanted(&headers);
    let place = limits.changes.enter().await?;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        tell(&*asked, protocol, &sender).await;
        drop(place);
    });
    Ok(match protocol {
        Protocol::Lines => lines(pieces),
        Protocol::ServerSent => streamed(SERVER_SENT, pieces),
    })
}

/// Tells the present position, and again whenever something has changed, until the reader is gone.
async fn tell(asked: &dyn Ask, protocol: Protocol, to: &mpsc::Sender<Piece>) {
    let (mut told, mut sent) = (None, Instant::now());
    loop {
        let (state, resource_version) = {
            let query = Query::new(asked.snapshot());
            (query.state(), query.resource_version())
        };
        let has_changed = told.as_ref() != Some(&state);
        if has_changed || sent.elapsed() >= BEAT {
            let name = if has_changed { "change" } else { "beat" };
            let Some(piece) = written(name, resource_version, protocol) else { return };
            if to.send(Ok(piece.into())).await.is_err() {
                return;
            }
            (told, sent) = (Some(state), Instant::now());
        }
        tokio::select! {
            () = to.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn written(name: &str, resource_version: String, protocol: Protocol) -> Option<Vec<u8>> {
    let data = serde_json::to_string(&Changed { resource_version }).ok()?;
    Some(match protocol {
        Protocol::Lines => format!("{data}\n").into_bytes(),
        Protocol::ServerSent => {
            format!("retry: {}\nevent: {name}\ndata: {data}\n\n", COME_AGAIN.as_millis()).into_bytes()
        }
    })
}
