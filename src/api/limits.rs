//! Bounds what the API does at once, so that no number of clients can take all threads or all memory of the process.
//!
//! Questions, commands and subscriptions have bounds of their own: whoever fills one does not stop the others. The
//! health check and the metrics need none of them. The clients of one address cannot fill the bounds of lists and other
//! questions, nor the memory for answers: each address has a share (`addresses.rs`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::access::JUDGED;

/// Time that a request may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory for answers that clients have not taken yet, in KiB.
const UNTAKEN: u32 = 64 << 10;
/// The part of it that answers to one address may take.
const UNTAKEN_SHARE: u32 = UNTAKEN / 4 * 3;
/// The least share of an answer, in KiB, so that the number of these answers has a bound too.
const LEAST: u32 = 1 << 10;
/// The size of the pieces in which an answer is sent.
pub(super) const PIECE: usize = 64 << 10;

/// The number of requests of a kind that the process carries out at once, and the number of those that may wait.
#[derive(Clone, Copy)]
struct Bound {
    places: usize,
    waiting: usize,
}

const LISTS: Bound = Bound { places: 16, waiting: 32 };
const QUESTIONS: Bound = Bound { places: 16, waiting: 64 };
const COMMANDS: Bound = Bound { places: 16, waiting: 64 };
/// Questions about the past: each may read the whole log, and only one past is kept.
const PASTS: Bound = Bound { places: 1, waiting: 16 };
/// Time that such a question waits for its turn: the one before may read the log.
const PATIENCE_FOR_PASTS: Duration = Duration::from_secs(60);
const EXPORTS: Bound = Bound { places: 4, waiting: 0 };
/// A backup reads the whole log, and the file keeps meanwhile what is removed from it: one is enough.
const BACKUPS: Bound = Bound { places: 1, waiting: 0 };
/// Lists as lines. A client may take its time, and nothing of the index is held meanwhile.
const LINES: Bound = Bound { places: 32, waiting: 0 };
const SUBSCRIPTIONS: Bound = Bound { places: 100, waiting: 0 };
/// Those who want to know when the index changes, such as pages in browsers: they take at most this part of the subscriptions.
const POSITIONS: Bound = Bound { places: SUBSCRIPTIONS.places / 2, waiting: 0 };
/// A subscription waits for its read as long as it must: no more of them wait than there are subscriptions.
const READS: Bound = Bound { places: 8, waiting: SUBSCRIPTIONS.places };

/// Watches and lists as lines look for more as often as they can, and wait for that as long as they must.
const LOOKS: Bound = Bound { places: 2, waiting: SUBSCRIPTIONS.places + LINES.places };

/// The requests that can be under way at once: those with a place, those that wait for one, and those whose answers have not
/// been taken.
pub(super) const UNDER_WAY: usize = LISTS.all()
    + QUESTIONS.all()
    + COMMANDS.all()
    + PASTS.all()
    + EXPORTS.all()
    + BACKUPS.all()
    + SUBSCRIPTIONS.all()
    + LINES.all()
    + JUDGED
    + (UNTAKEN / LEAST) as usize;

impl Bound {
    const fn all(self) -> usize {
        self.places + self.waiting
    }
}

/// Admits some requests of a kind at once, and lets some others wait.
pub(super) struct Gate {
    /// Those with a place, and those that wait.
    all: Arc<Semaphore>,
    places: Arc<Semaphore>,
    patience: Duration,
    /// The gate of all clients, if this one is for those of one address.
    shared: Option<Arc<Gate>>,
}

/// The right to carry a request out.
pub(super) struct Place {
    _taken: Vec<OwnedSemaphorePermit>,
}

impl Gate {
    fn new(bound: Bound) -> Self {
        Self {
            all: Arc::new(Semaphore::new(bound.all())),
            places: Arc::new(Semaphore::new(bound.places)),
            patience: PATIENCE,
            shared: None,
        }
    }

    /// The gate for the clients of one address: one place, and half of those that may wait, are for others.
    fn within(shared: &Arc<Self>, bound: Bound) -> Self {
        let own = Bound { places: bound.places.saturating_sub(1).max(1), waiting: bound.waiting / 2 };
        Self { patience: shared.patience, shared: Some(Arc::clone(shared)), ..Self::new(own) }
    }

    /// Takes a place, and waits for one for a few seconds if others may still wait.
    pub(super) async fn enter(&self) -> Result<Place, ApiError> {
        let gates = || std::iter::once(self).chain(self.shared.as_deref());
        let mut taken = Vec::with_capacity(4);
        for gate in gates() {
            taken.push(Arc::clone(&gate.all).try_acquire_owned().map_err(|_| ApiError::busy())?);
        }
        let wait = async {
            for gate in gates() {
                taken.push(Arc::clone(&gate.places).acquire_owned().await.map_err(ApiError::internal)?);
            }
            Ok(Place { _taken: taken })
        };
        tokio::time::timeout(self.patience, wait).await.map_err(|_| ApiError::busy())?
    }

    /// Runs blocking work at a place.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.enter().await?;
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

/// The bounds of a process, or the share of them that the clients of one address have.
pub(super) struct Limits {
    /// Questions whose answers are lists: each may keep a core busy for seconds.
    pub(super) lists: Arc<Gate>,
    /// Other questions.
    pub(super) questions: Arc<Gate>,
    /// Declarations and commands.
    pub(super) commands: Arc<Gate>,
    /// Questions about the past.
    pub(super) pasts: Arc<Gate>,
    /// Exports: each keeps the state of the index as it was when it began.
    pub(super) exports: Arc<Gate>,
    /// Lists as lines.
    pub(super) lines: Arc<Gate>,
    /// Looks of watches, and the pages of lists as lines after their first.
    pub(super) looks: Arc<Gate>,
    /// Copies of the log: each keeps the file as it was when it began.
    pub(super) backups: Arc<Gate>,
    /// Subscriptions.
    pub(super) subscriptions: Arc<Gate>,
    /// Those who want to know when the index changes.
    pub(super) positions: Arc<Gate>,
    /// Reads of the log for subscriptions.
    pub(super) reads: Arc<Gate>,
    untaken: Arc<Semaphore>,
    /// The part of it for one address, if this is the share of one.
    untaken_share: Option<Arc<Semaphore>>,
}

/// The bound of lists: as many at once as there are cores, but two at least, so that one can be for another address.
fn lists() -> Bound {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Bound { places: cores.clamp(2, LISTS.places), ..LISTS }
}

impl Limits {
    pub(super) fn new() -> Self {
        let gate = |bound| Arc::new(Gate::new(bound));
        let subscriptions = gate(SUBSCRIPTIONS);
        Self {
            lists: gate(lists()),
            questions: gate(QUESTIONS),
            commands: gate(COMMANDS),
            pasts: Arc::new(Gate { patience: PATIENCE_FOR_PASTS, ..Gate::new(PASTS) }),
            exports: gate(EXPORTS),
            lines: gate(LINES),
            looks: Arc::new(Gate { patience: Duration::MAX, ..Gate::new(LOOKS) }),
            backups: gate(BACKUPS),
            positions: Arc::new(Gate { shared: Some(Arc::clone(&subscriptions)), ..Gate::new(POSITIONS) }),
            subscriptions,
            reads: Arc::new(Gate { patience: Duration::MAX, ..Gate::new(READS) }),
            untaken: Arc::new(Semaphore::new(UNTAKEN as usize)),
            untaken_share: None,
        }
    }

    /// The share of one address.
    pub(super) fn share(&self) -> Self {
        Self {
            lists: Arc::new(Gate::within(&self.lists, lists())),
            questions: Arc::new(Gate::within(&self.questions, QUESTIONS)),
            commands: Arc::clone(&self.commands),
            pasts: Arc::new(Gate::within(&self.pasts, PASTS)),
            exports: Arc::clone(&self.exports),
            lines: Arc::new(Gate::within(&self.lines, LINES)),
            looks: Arc::clone(&self.looks),
            backups: Arc::clone(&self.backups),
            subscriptions: Arc::clone(&self.subscriptions),
            positions: Arc::clone(&self.positions),
            reads: Arc::clone(&self.reads),
            untaken: Arc::clone(&self.untaken),
            untaken_share: Some(Arc::new(Semaphore::new(UNTAKEN_SHARE as usize))),
        }
    }

    /// Returns `true` if a request has something of this share.
    pub(super) fn is_in_use(&self) -> bool {
        let mut own = [&self.lists.all, &self.questions.all, &self.pasts.all, &self.lines.all]
            .into_iter()
            .chain(&self.untaken_share);
        own.any(|of| Arc::strong_count(of) > 1)
    }

    /// Answers with what `work` returns, as JSON. It runs on a blocking thread, which also writes the JSON: a large answer
    /// must not delay the health check.
    pub(super) async fn answer<T: Serialize, E: Into<ApiError> + Send + 'static>(
        &self,
        gate: &Gate,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<Response, ApiError> {
        // The place is kept until there is memory for the answer: no more answers than places wait for it.
        let (_place, json) = done(gate, work).await?;
        self.taken_in_pieces(json).await
    }

    /// The same for a command. Its answer needs no share of the memory: a command that was carried out must not be answered
    /// as if it were not.
    pub(super) async fn command<T: Serialize, E: Into<ApiError> + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let (_place, json) = done(&self.commands, work).await?;
        Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
    }

    async fn taken_in_pieces(&self, json: Bytes) -> Result<Response, ApiError> {
        let headers =
            [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_LENGTH, json.len().to_string())];
        if json.len() <= PIECE {
            return Ok((headers, json).into_response());
        }
        let size = u32::try_from(json.len() >> 10).unwrap_or(u32::MAX).clamp(LEAST, UNTAKEN_SHARE);
        let memory = async {
            let mut taken = Vec::with_capacity(2);
            for of in self.untaken_share.iter().chain([&self.untaken]) {
                taken.push(Arc::clone(of).acquire_many_owned(size).await.map_err(ApiError::internal)?);
            }
            Ok::<_, ApiError>(taken)
        };
        let memory = tokio::time::timeout(PATIENCE, memory).await.map_err(|_| ApiError::busy())??;
        let pieces = Pieces { left: json, _memory: memory };
        Ok((headers, Body::new(StreamBody::new(tokio_stream::iter(pieces)))).into_response())
    }
}

/// Does the work at a place of the gate. The place belongs to the thread as long as it works, also if nobody waits for the
/// answer any more.
async fn done<T: Serialize, E: Into<ApiError> + Send + 'static>(
    gate: &Gate,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<(Place, Bytes), ApiError> {
    let place = gate.enter().await?;
    let work = move || {
        let json = serde_json::to_vec(&work().map_err(E::into)?).map_err(ApiError::internal)?;
        Ok((place, json.into_boxed_slice().into()))
    };
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// An answer in pieces.
struct Pieces {
    left: Bytes,
    _memory: Vec<OwnedSemaphorePermit>,
}

impl Iterator for Pieces {
    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.left.split_to(PIECE.min(self.left.len()));
        // A copy: a piece that waits to be sent must not keep the whole answer.
        (!piece.is_empty()).then(|| Ok(Frame::data(Bytes::copy_from_slice(&piece))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::body::to_bytes;
    use axum::http::StatusCode;

    use super::*;

    async fn of(limits: &Limits, bytes: usize) -> Result<Response, ApiError> {
        limits.answer(&limits.questions, move || Ok::<_, ApiError>("a".repeat(bytes))).await
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_nobody_takes_have_a_bound_in_memory() {
        let limits = Limits::new();
        let mut untaken = Vec::new();
        for _ in 0..8 {
            untaken.push(of(&limits, 8 << 20).await);
        }
        let (taken, refused): (Vec<_>, Vec<_>) = untaken.into_iter().partition(Result::is_ok);
        // With its quotes, each is a little more than 8 MiB.
        assert_eq!((taken.len(), refused.len()), (8, 0));
        let refused = of(&limits, 1 << 20).await.unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(of(&limits, 1000).await.is_ok(), "a small answer needs no memory");
        for response in taken {
            let body = to_bytes(response.unwrap().into_body(), usize::MAX).await.unwrap();
            assert_eq!(body.len(), (8 << 20) + 2);
        }
        assert!(
            of(&limits, 100 << 20).await.is_ok(),
            "an answer may be larger than the memory: it is alone then"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_too_long_or_finds_too_many_waiting_is_refused() {
        let gate = Gate::new(Bound { places: 1, waiting: 1 });
        let place = gate.enter().await.unwrap();
        let waiting = gate.enter();
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(PATIENCE / 2, &mut waiting).await.is_err(), "it waits");
        assert!(gate.enter().await.is_err(), "a second one does not");
        assert!(waiting.await.is_err(), "it does not wait for ever");
        drop(place);
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_leaves_a_place_a_turn_and_memory_to_another() {
        let limits = Limits::new();
        let (greedy, other) = (Arc::new(limits.share()), limits.share());
        let mut places = Vec::new();
        for _ in 1..lists().places {
            places.push(greedy.lists.enter().await.unwrap());
        }
        let waiting: Vec<_> = (0..LISTS.all())
            .map(|_| {
                tokio::spawn({
                    let greedy = Arc::clone(&greedy);
                    async move { greedy.lists.enter().await.is_ok() }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(other.lists.enter().await.is_ok());
        drop(places);
        for waiting in waiting {
            waiting.await.unwrap();
        }

        let untaken = of(&greedy, 100 << 20).await.unwrap();
        assert!(of(&greedy, 1 << 20).await.is_err(), "it has taken nothing of the one before");
        assert!(of(&other, 10 << 20).await.is_ok());
        drop(untaken);
        assert!(!greedy.is_in_use() && of(&greedy, 1 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn a_thread_keeps_its_place_when_the_client_is_gone() {
        let questions = Arc::new(Gate::new(Bound { places: 1, waiting: 0 }));
        let limits = Limits { questions, ..Limits::new() };
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let work = move || {
            let _ = begin.send(());
            let _ = ended.recv();
            Ok::<_, ApiError>(())
        };
        tokio::select! {
            _ = limits.answer(&limits.questions, work) => panic!("it has not ended"),
            _ = begun => {}
        }
        assert!(limits.questions.enter().await.is_err(), "its thread still works");
        end.send(()).unwrap();
    }
}
