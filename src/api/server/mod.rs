//! Serves connections, with a bound on their number and on the time that each may take.
//!
//! axum's own server has no such bounds: whoever opens connections and says nothing would end all answers, the health
//! check included. Here the connection that has waited longest for its client makes room for a new one.

mod connections;
mod encrypted;
mod watched;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::Router;
use super::stream::Streamed;
use crate::crypto::{self, Acceptor};
use crate::reload::FromFiles;
use crate::retry::{Backoff, Policy};
use connections::{Connections, Number, Phase};
use watched::Watched;

/// Time within which a client must take some of the answer that waits for it.
const STALLED: Duration = Duration::from_secs(30);
/// Interval at which connections that are overdue are closed.
const SWEEP: Duration = Duration::from_secs(1);
/// Pauses after failures to accept a connection: there may be no file left for it until another is closed.
const RETRY: Policy = Policy::new(Duration::from_millis(100), Duration::from_secs(1));
/// Bytes of a connection that may wait to be sent; also the longest head of a request.
const UNSENT: usize = 64 << 10;
/// The answer when all connections are busy.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// The certificate that new connections get.
pub type Tls = Arc<FromFiles<Acceptor>>;

/// The common name in the certificate of the client that has sent a request, or why there is none that counts.
#[derive(Debug, Clone)]
pub(super) struct Client(pub(super) Arc<Result<String, String>>);

/// Serves requests for as long as it is polled, over TLS if there is a certificate. Dropping it closes all connections.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Tls>) -> std::io::Result<()> {
    let connections = Shared::default();
    let mut tasks = JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut backoff = Backoff::new(RETRY);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    backoff.succeeded();
                    let service = Service { peer, router: router.clone(), tls: tls.clone() };
                    connect(&connections, &mut tasks, stream, service);
                }
                // The client has given up meanwhile.
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    let failure = backoff.failed();
                    if failure.is_logged() {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
                    tokio::time::sleep(failure.wait).await;
                }
            },
            _ = sweep.tick() => connections.lock().sweep(Instant::now()),
            Some(_) = tasks.join_next() => {}
        }
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Connections>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection. Dropping it frees the place.
struct Place {
    connections: Shared,
    number: Number,
}

impl Place {
    fn enter(&self, phase: Phase) {
        self.connections.lock().enter(self.number, phase, Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().remove(self.number);
    }
}

/// The other side of a connection.
#[derive(Clone)]
struct Party {
    peer: SocketAddr,
    client: Client,
    /// The files of the handshake as they were, and as they are.
    handshake: Option<(Arc<Acceptor>, Tls)>,
}

impl Party {
    /// Returns `true` if a certificate or an authority was replaced since the handshake: then the connection ends with its next
    /// answer.
    fn is_over(&self) -> bool {
        self.handshake.as_ref().is_some_and(|(then, now)| !Arc::ptr_eq(then, &now.current()))
    }
}

/// The service that a connection gets.
struct Service {
    peer: SocketAddr,
    router: Router,
    tls: Option<Tls>,
}

fn connect(connections: &Shared, tasks: &mut JoinSet<()>, mut stream: TcpStream, service: Service) {
    let admitted = connections.lock().admit(service.peer.ip().to_canonical(), Instant::now());
    let Some((number, closed)) = admitted else {
        tasks.spawn(async move {
            let _ = tokio::time::timeout(SWEEP, stream.write_all(BUSY)).await;
        });
        return;
    };
    let place = Arc::new(Place { connections: connections.clone(), number });
    tasks.spawn(async move {
        tokio::select! {
            () = converse(stream, place, service) => {}
            // The other end of the channel is in the table, and is dropped to close the connection.
            _ = closed => {}
        }
    });
}

/// Answers the requests of a connection until one side closes it. A handshake has its time from the place, as a request has.
async fn converse(stream: TcpStream, place: Arc<Place>, Service { peer, router, tls }: Service) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        let party = Party {
            peer,
            client: Client(Arc::new(Err("it does not speak TLS".to_owned()))),
            handshake: None,
        };
        return answer_all(bounded(stream), party, place, router).await;
    };
    let Some(stream) = encrypted::expected(stream).await else { return };
    let acceptor = tls.current();
    match acceptor.accept(bounded(stream)).await {
        Ok(stream) => {
            let client = Client(Arc::new(crypto::client(&stream)));
            let party = Party { peer, client, handshake: Some((acceptor, tls)) };
            answer_all(stream, party, place, router).await;
        }
        Err(error) => tracing::debug!(%peer, %error, "a handshake has failed"),
    }
}

/// The stream, which ends when its client takes nothing for too long.
fn bounded(stream: TcpStream) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    Box::pin(stream)
}

async fn answer_all(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    party: Party,
    place: Arc<Place>,
    router: Router,
) {
    let peer = party.peer;
    let answer = service_fn(|request| answer(request, party.clone(), Arc::clone(&place), router.clone()));
    let served = http1::Builder::new().max_buf_size(UNSENT).serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = served.await {
        tracing::debug!(%peer, %error, "a connection has ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    party: Party,
    place: Arc<Place>,
    router: Router,
) -> Result<Response, Infallible> {
    // Until the request has come whole, its connection waits for the client.
    let mut request = request.map(|body| {
        if body.is_end_stream() {
            place.enter(Phase::Answering);
            Body::empty()
        } else {
            Body::new(Watched::new(Body::new(body), Arc::clone(&place), Phase::Answering))
        }
    });
    let is_over = party.is_over();
    request.extensions_mut().insert(ConnectInfo(party.peer));
    request.extensions_mut().insert(party.client);
    let mut response = router.oneshot(request).await?;
    if is_over {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    place.enter(match response.extensions().get::<Streamed>() {
        Some(Streamed) => Phase::Following,
        None => Phase::Answering,
    });
    Ok(response.map(|body| Body::new(Watched::new(body, place, Phase::Waiting))))
}
