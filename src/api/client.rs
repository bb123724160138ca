//! A client of the API: of a running process over TCP, or of an engine in this process without a socket.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::Problem;
use super::identity::{CHALLENGE, challenge, is_of};
use crate::crypto::{HttpsConnector, Trust, connector};

/// Time limit for the health check of a process.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit until an answer begins: a declaration waits while sources are imported.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// Time limit until the next piece of an answer that has begun.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of the API. Its calls block.
pub struct Client {
    runtime: Runtime,
    to: To,
}

enum To {
    Here(Router),
    There { base: String, token: Option<String>, http: Box<Http> },
}

type Http = HttpClient<HttpsConnector<HttpConnector>, Body>;

/// A process to ask, and how to know it.
#[derive(Clone, Default)]
pub struct Server {
    /// Its address, as `http://HOST:PORT` or `https://HOST:PORT`.
    pub url: String,
    /// The token of the one who asks.
    pub token: Option<String>,
    /// Certificates in PEM of authorities that may have signed its certificate; `None` for those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The name that its certificate is for, if not that of the address.
    pub name: Option<String>,
}

/// An error of a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The requested object does not exist, or is ambiguous.
    #[error("{0}")]
    NotFound(String),
    /// The request is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The request is valid, but it is too early: nothing was done.
    #[error("{0}")]
    NotYet(String),
    /// Any other error.
    #[error("{0}")]
    Failed(String),
    /// The receiver of a streamed answer has failed.
    #[error(transparent)]
    Sink(#[from] std::io::Error),
}

impl ClientError {
    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Two threads are enough for the requests of one command.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

impl Client {
    /// Returns a client of the API of this process.
    pub(crate) fn of(router: Router) -> std::io::Result<Self> {
        Ok(Self { runtime: runtime()?, to: To::Here(router) })
    }

    /// Returns a client of the process that serves at this address. Returns `None` if nobody answers there. Commands may need a
    /// token.
    pub fn at(url: &str, token: Option<String>) -> std::io::Result<Option<Self>> {
        Self::of_server(Server { url: url.to_owned(), token, ..Server::default() })
    }

    /// The same with all that is to be said of the server.
    pub fn of_server(server: Server) -> std::io::Result<Option<Self>> {
        let Server { url, token, authorities, name } = server;
        Self::reach(&url, token, &Trust { authorities, name, known_otherwise: false }, None)
    }

    /// Returns a client of the process that serves at this address and shows that it has this key, which no certificate
    /// could. No other process gets the token.
    pub(crate) fn with_key(url: &str, token: Option<String>, key: &str) -> std::io::Result<Option<Self>> {
        Self::reach(url, token, &Trust { known_otherwise: true, ..Trust::default() }, Some(key))
    }

    fn reach(
        url: &str,
        token: Option<String>,
        trust: &Trust,
        key: Option<&str>,
    ) -> std::io::Result<Option<Self>> {
        let runtime = runtime()?;
        let mut connect = HttpConnector::new();
        connect.enforce_http(false);
        let connect = connector(connect, trust).map_err(std::io::Error::other)?;
        let http: Http = HttpClient::builder(TokioExecutor::new()).build(connect);
        let base = url.trim().trim_end_matches('/').to_owned();
        let challenge = challenge()?;
        let health = Request::get(format!("{base}/healthz")).header(CHALLENGE, &challenge);
        let Ok(health) = health.body(Body::empty()) else { return Ok(None) };
        let answer =
            runtime.block_on(async { tokio::time::timeout(HEALTH_TIMEOUT, http.request(health)).await });
        let is_expected = |response: &Response<_>| key.is_none_or(|key| is_of(response, key, &challenge));
        let is_well = match answer {
            Ok(Ok(response)) => response.status().is_success() && is_expected(&response),
            Ok(Err(error)) => match distrusted(&error) {
                Some(reason) if key.is_none() => return Err(std::io::Error::other(reason)),
                _ => false,
            },
            Err(_) => false,
        };
        Ok(is_well.then_some(Self { runtime, to: To::There { base, token, http: Box::new(http) } }))
    }

    /// Returns `true` if the API is in this process, so that nothing changes while the client lives.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.to, To::Here(_))
    }

    /// Sends a GET request and reads the whole answer.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.json(Method::GET, &with(path, parameters)?, Body::empty())
    }

    /// Sends a POST request.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::failed)?;
        self.json(Method::POST, path, Body::from(body))
    }

    /// Sends a DELETE request.
    pub fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.json(Method::DELETE, &with(path, parameters)?, Body::empty())
    }

    /// Sends a GET request and passes the pieces of the answer to `each` as they come, until the answer ends or
    /// `stopped` returns. A piece that has come is passed on whole.
    pub fn stream(
        &self,
        path: &str,
        parameters: &impl Serialize,
        stopped: impl Future<Output = ()>,
        mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), ClientError> {
        let path = with(path, parameters)?;
        let pieces = async {
            let mut body = self.request(Method::GET, &path, Body::empty()).await?.into_body();
            while let Some(frame) = body.frame().await {
                let piece = frame.map_err(ClientError::failed)?.into_data().unwrap_or_default();
                // An empty line says only that the server is there.
                if &*piece != b"\n" {
                    each(&piece)?;
                }
            }
            Ok(())
        };
        self.runtime.block_on(async {
            tokio::select! {
                ended = pieces => ended,
                () = stopped => Ok(()),
            }
        })
    }

    /// Sends a POST request without a body and passes the pieces of the answer to `each` as they come, until the answer
    /// ends.
    pub(crate) fn download(
        &self,
        path: &str,
        mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), ClientError> {
        self.runtime.block_on(async {
            let mut body = self.request(Method::POST, path, Body::empty()).await?.into_body();
            while let Some(piece) = next(&mut body).await? {
                each(&piece)?;
            }
            Ok(())
        })
    }

    fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, ClientError> {
        self.runtime.block_on(async {
            let response = self.request(method, path, body).await?;
            let body = whole(response.into_body()).await?;
            serde_json::from_slice(&body).map_err(|error| {
                ClientError::Failed(format!(
                    "the answer cannot be read ({error}): is the running clade of another version?"
                ))
            })
        })
    }

    async fn request(&self, method: Method, path: &str, body: Body) -> Result<Response<Body>, ClientError> {
        let (base, token) = match &self.to {
            To::Here(_) => ("http://localhost", None),
            To::There { base, token, .. } => (base.as_str(), token.as_ref()),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body).map_err(ClientError::failed)?;
        let response = match &self.to {
            To::Here(router) => router.clone().oneshot(request).await.map_err(ClientError::failed)?,
            To::There { http, base, .. } => {
                let no_answer =
                    |why: String| ClientError::Failed(format!("the clade at {base} does not answer: {why}"));
                tokio::time::timeout(ANSWER_TIMEOUT, http.request(request))
                    .await
                    .map_err(|_| {
                        let seconds = ANSWER_TIMEOUT.as_secs();
                        no_answer(format!("nothing within {seconds} s; what was asked for may still be done"))
                    })?
                    .map_err(|error| no_answer(error.to_string()))?
                    .map(Body::new)
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = whole(response.into_body()).await?;
        let Ok(Problem { detail: error, .. }) = serde_json::from_slice(&body) else {
            // A server between here and clade has answered, which does not know what clade has done.
            let text = String::from_utf8_lossy(&body);
            return Err(ClientError::Failed(format!("{base}{path} answers {status}: {}", text.trim())));
        };
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => ClientError::NotFound(error),
            StatusCode::BAD_REQUEST => ClientError::Invalid(error),
            StatusCode::SERVICE_UNAVAILABLE => ClientError::NotYet(error),
            _ => ClientError::Failed(error),
        })
    }
}

/// The reason why somebody who answers is not trusted, if that is the error: its certificate, or no TLS at all.
fn distrusted(error: &dyn std::error::Error) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let told = error.to_string();
        if told.contains("certificate") {
            return Some(format!(
                "its certificate is not trusted ({told}): name its authority with --ca-file, and what the certificate is for \
                 with --tls-server-name"
            ));
        }
        if told.contains("packet length") || told.contains("wrong version number") {
            return Some("it does not speak TLS: ask it with http://".to_owned());
        }
        cause = error.source();
    }
    None
}

/// Reads all of an answer. A server that stalls in the middle of it must not hold a command for ever.
async fn whole(mut body: Body) -> Result<Vec<u8>, ClientError> {
    let mut read = Vec::new();
    while let Some(piece) = next(&mut body).await? {
        read.extend(piece);
    }
    Ok(read)
}

/// The next piece of an answer; `None` at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, ClientError> {
    let stalled = |_| {
        let seconds = PIECE_TIMEOUT.as_secs();
        ClientError::Failed(format!("the answer broke off: nothing more came within {seconds} s"))
    };
    match tokio::time::timeout(PIECE_TIMEOUT, body.frame()).await.map_err(stalled)? {
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(error)) => Err(ClientError::Failed(format!("the answer broke off: {error}"))),
        None => Ok(None),
    }
}

fn with(path: &str, parameters: &impl Serialize) -> Result<String, ClientError> {
    let parameters = serde_urlencoded::to_string(parameters).map_err(ClientError::failed)?;
    Ok(if parameters.is_empty() { path.to_owned() } else { format!("{path}?{parameters}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use http_body_util::StreamBody;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_breaks_off_is_an_error() {
        let piece = |text: &'static str| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(text)));
        let begun = || tokio_stream::iter([piece("{"), piece("\"items\"")]);
        let stalling = Body::new(StreamBody::new(begun().chain(tokio_stream::pending())));
        let told = whole(stalling).await.unwrap_err().to_string();
        assert!(told.contains("broke off"), "{told}");
        assert_eq!(whole(Body::new(StreamBody::new(begun()))).await.unwrap(), b"{\"items\"");
    }
}
