//! Subscriptions: events of a topic as lines, or as Server-Sent Events for browsers and whoever wants to go on where they
//! stopped.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Query as Params, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Ask;
use super::error::ApiError;
use super::limits::{Gate, Limits, PIECE};
use super::stream::{Piece, lines, streamed};
use crate::log::SharedLog;
use crate::record::{State as ImageState, Timestamp, Topic};
use crate::subscribe::{Events, Filter, Form, Next, Start, SubscribeError, Subscription};

/// Time for which one read of a subscription waits for events.
const LOOK: Duration = Duration::from_millis(20);
/// Pause of a subscription after a read without an event.
const REST: Duration = Duration::from_millis(150);
/// Time without an event after which a subscription says that it is there. If its client has gone without a word, sending
/// fails in the end, and the place is free.
const LINE_BEAT: Duration = Duration::from_secs(30);
/// The same for Server-Sent Events: proxies close connections on which nothing comes.
const EVENT_BEAT: Duration = Duration::from_secs(15);

/// The media type of Server-Sent Events.
pub(super) const SERVER_SENT: &str = "text/event-stream";
/// The header with which a client of Server-Sent Events goes on.
const LAST_EVENT_ID: &str = "last-event-id";

/// The parameters of a subscription: filter, start, whether it follows, and the output form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SubscribeParams {
    /// Events about this class.
    class: Option<String>,
    /// Events about classes of this group.
    group: Option<String>,
    /// Events about images that are in this state.
    state: Option<ImageState>,
    /// Events about images of this repository.
    repository: Option<String>,
    /// Events about images of this namespace.
    namespace: Option<String>,
    /// Waits for further events. Server-Sent Events always do.
    follow: bool,
    /// `beginning`, `end`, a time of RFC 3339, how long ago, or offsets as `0:17,1:4`.
    from: String,
    /// The form of an event.
    output: Form,
}

impl Default for SubscribeParams {
    fn default() -> Self {
        let (class, group, state, repository, namespace) = Default::default();
        let (follow, from, output) = (false, "beginning".to_owned(), Form::default());
        Self { class, group, state, repository, namespace, follow, from, output }
    }
}

/// The protocol in which events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// One JSON object a line.
    Lines,
    /// Server-Sent Events. The ID of an event is the position after it.
    ServerSent,
}

pub(super) async fn subscribe(
    State(asked): State<Arc<dyn Ask>>,
    Extension(limits): Extension<Arc<Limits>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    Params(params): Params<SubscribeParams>,
) -> Result<Response, ApiError> {
    let topic = Topic::ALL.into_iter().find(|known| known.name() == topic).ok_or_else(|| {
        let topics = Topic::ALL.map(Topic::name).join(", ");
        ApiError::invalid(format!("there is no topic {topic:?}; subscribe to one of {topics}"))
    })?;
    let protocol = Protocol::wanted(&headers);
    let last = match headers.get(LAST_EVENT_ID).filter(|_| protocol == Protocol::ServerSent) {
        None => None,
        Some(id) => {
            Some(id.to_str().map_err(|_| ApiError::invalid("last-event-id: this is no ID of clade"))?)
        }
    };
    let SubscribeParams { class, group, state: image_state, repository, namespace, follow, from, output } =
        params;
    let filter = Filter { class, group, state: image_state, repository, namespace };
    let start = Start::parse(last.unwrap_or(&from), Timestamp::now())?;
    let follows = follow || protocol == Protocol::ServerSent;
    let subscription = Subscription::of(topic).filter(filter).start(start).follow(follows);
    let log = SharedLog::clone(asked.log());
    let place = limits.subscriptions.enter().await?;
    // An invalid subscription is reported before the answer begins.
    let opened = limits.reads.run(move || subscription.open(&*log)).await?;
    let (sender, pieces) = mpsc::channel(1);
    let events = match opened {
        Ok(events) => events,
        // A browser would ask for the same again and again. The empty ID makes it begin anew.
        Err(SubscribeError::Usage(problem)) if last.is_some() => {
            let reset = format!("id\nevent: reset\ndata: {}\n\n", serde_json::Value::from(problem));
            // The channel has room for one piece.
            let _ = sender.try_send(Ok(reset.into()));
            return Ok(streamed(SERVER_SENT, pieces));
        }
        Err(error) => return Err(error.into()),
    };
    let written = Written { topic, form: output, protocol };
    tokio::spawn(async move {
        if let Err(error) = forward(events, written, &sender, &limits.reads).await {
            tracing::warn!(%topic, %error, "a subscription has ended");
            let _ = sender.send(Err(error)).await;
        }
        drop(place);
    });
    Ok(match protocol {
        Protocol::Lines => lines(pieces),
        Protocol::ServerSent => streamed(SERVER_SENT, pieces),
    })
}

impl Protocol {
    /// The one that a client wants.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let wants_events = |value: &HeaderValue| value.as_bytes().starts_with(SERVER_SENT.as_bytes());
        if headers.get(ACCEPT).is_some_and(wants_events) { Self::ServerSent } else { Self::Lines }
    }

    /// The bytes that show that the process is there, and the time without an event after which it sends them.
    fn beat(self) -> (Duration, &'static [u8]) {
        match self {
            Self::Lines => (LINE_BEAT, b"\n"),
            Self::ServerSent => (EVENT_BEAT, b":\n\n"),
        }
    }
}

/// The form in which a subscription is written.
#[derive(Debug, Clone, Copy)]
struct Written {
    topic: Topic,
    form: Form,
    protocol: Protocol,
}

impl Written {
    /// Adds the last event of a subscription.
    fn put(self, event: &crate::subscribe::Event, events: &Events, to: &mut Vec<u8>) -> Result<(), ApiError> {
        let line = event.line(self.form).map_err(ApiError::internal)?;
        if self.protocol == Protocol::Lines {
            to.extend(line);
            return Ok(());
        }
        let position: Vec<String> =
            events.position().iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
        to.extend(format!("id: {}\nevent: {}\ndata: ", position.join(","), self.topic).into_bytes());
        to.extend(line);
        to.push(b'\n');
        Ok(())
    }
}

/// Sends the events of the topic, until the reader is gone or has all events that it wanted. It needs a thread only while
/// it reads the log.
async fn forward(
    mut events: Events,
    written: Written,
    to: &mpsc::Sender<Piece>,
    reads: &Gate,
) -> Result<(), ApiError> {
    let (mut sent, mut wait) = (Instant::now(), LOOK);
    let (beat, beating) = written.protocol.beat();
    loop {
        let read = move || {
            let read = read(&mut events, written, wait);
            (events, read)
        };
        let (again, read) = reads.run(read).await?;
        events = again;
        let Read { mut piece, is_at_end } = read?;
        let rests = piece.is_empty() && events.has_caught_up();
        // After a rest there is something or not: the thread is for others.
        wait = if rests { Duration::ZERO } else { LOOK };
        if piece.is_empty() && sent.elapsed() >= beat {
            piece.extend(beating);
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
fn read(events: &mut Events, written: Written, mut wait: Duration) -> Result<Read, ApiError> {
    let mut piece = Vec::new();
    loop {
        match events.next_within(wait)? {
            Next::Event(event) => {
                written.put(&event, events, &mut piece)?;
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
