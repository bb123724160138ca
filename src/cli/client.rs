//! Asking the API: of the process that runs on the data directory, or of an engine started for this command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::error::CliError;
use super::progress;
use crate::api::{ApiState, ErrorBody, router};
use crate::engine::{Engine, Options};
use crate::log::embedded::{self, EmbeddedLog};

/// Where answers come from.
pub(super) struct Client {
    runtime: tokio::runtime::Runtime,
    to: To,
}

enum To {
    Here(Router),
    There { base: String, http: HttpClient<HttpConnector, Body> },
}

/// The file in which a running process tells where its API is.
pub(super) fn address_file(dir: &Path) -> PathBuf {
    dir.join("api.url")
}

impl Client {
    /// A client for data that exists.
    pub(super) fn open(dir: &Path) -> Result<Self, CliError> {
        if !EmbeddedLog::exists(dir) {
            return Err(CliError::NotFound(format!(
                "there is no data in {}: import something first (`clade import`, or `clade demo` to look around), or \
                 name another directory with --data-dir",
                dir.display()
            )));
        }
        Self::open_or_create(dir)
    }

    /// A client for data that may not exist yet.
    pub(super) fn open_or_create(dir: &Path) -> Result<Self, CliError> {
        let runtime = runtime()?;
        if let Some(to) = there(dir, &runtime) {
            return Ok(Self { runtime, to });
        }
        let engine = start(dir, None)?;
        engine.catch_up(|_| {})?;
        Self::of(&Arc::new(engine))
    }

    /// A client of an engine of this process.
    pub(super) fn of(engine: &Arc<Engine>) -> Result<Self, CliError> {
        let runtime = runtime()?;
        Ok(Self { runtime, to: To::Here(router(ApiState::new(Arc::clone(engine)))) })
    }

    /// Asks for something and reads all of the answer.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<T, CliError> {
        self.json(Method::GET, &with(path, parameters)?, Body::empty())
    }

    /// Sends something.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, CliError> {
        let body = match body {
            Some(body) => Body::from(serde_json::to_vec(body).map_err(CliError::failed)?),
            None => Body::empty(),
        };
        self.json(method, path, body)
    }

    /// Asks for something and gives its pieces to `each` as they come.
    pub(super) fn stream(
        &self,
        path: &str,
        parameters: &impl Serialize,
        mut each: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let path = with(path, parameters)?;
        self.runtime.block_on(async {
            let mut body = self.request(Method::GET, &path, Body::empty()).await?.into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(piece) = frame.map_err(CliError::failed)?.into_data() {
                    each(&piece)?;
                }
            }
            Ok(())
        })
    }

    fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, CliError> {
        self.runtime.block_on(async {
            let response = self.request(method, path, body).await?;
            let body = response.into_body().collect().await.map_err(CliError::failed)?.to_bytes();
            serde_json::from_slice(&body).map_err(|error| {
                CliError::Failed(format!(
                    "the answer cannot be read ({error}): is the running clade of another version?"
                ))
            })
        })
    }

    async fn request(&self, method: Method, path: &str, body: Body) -> Result<Response<Body>, CliError> {
        let base = match &self.to {
            To::Here(_) => "http://localhost",
            To::There { base, .. } => base,
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header("content-type", "application/json")
            .body(body)
            .map_err(CliError::failed)?;
        let response = match &self.to {
            To::Here(router) => router.clone().oneshot(request).await.map_err(CliError::failed)?,
            To::There { http, base } => http
                .request(request)
                .await
                .map_err(|error| CliError::Failed(format!("the clade at {base} does not answer: {error}")))?
                .map(Body::new),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(CliError::failed)?.to_bytes();
        let text = serde_json::from_slice::<ErrorBody>(&body)
            .map_or_else(|_| String::from_utf8_lossy(&body).into_owned(), |body| body.error);
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => CliError::NotFound(text),
            StatusCode::BAD_REQUEST => CliError::Usage(text),
            _ => CliError::Failed(text),
        })
    }
}

/// Starts an engine for this command.
pub(super) fn start(dir: &Path, partitions: Option<u16>) -> Result<Engine, CliError> {
    let command = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let log =
        embedded::Options { partitions, command: format!("clade {command}"), ..embedded::Options::default() };
    let waiting = progress::spinner("opening the data directory");
    let engine = Engine::start(dir, Options { log, ..Options::default() });
    waiting.finish();
    Ok(engine?)
}

/// The process that runs on the data directory, if one does and answers.
fn there(dir: &Path, runtime: &tokio::runtime::Runtime) -> Option<To> {
    let base = std::fs::read_to_string(address_file(dir)).ok()?.trim().to_owned();
    let http: HttpClient<HttpConnector, Body> = HttpClient::builder(TokioExecutor::new()).build_http();
    let health = Request::builder().uri(format!("{base}/healthz")).body(Body::empty()).ok()?;
    let answer = runtime
        .block_on(async {
            tokio::time::timeout(std::time::Duration::from_secs(5), http.request(health)).await
        })
        .ok()?
        .ok()?;
    answer.status().is_success().then_some(To::There { base, http })
}

/// Two threads answer: this is one command's worth of asking.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn with(path: &str, parameters: &impl Serialize) -> Result<String, CliError> {
    let parameters = serde_urlencoded::to_string(parameters).map_err(CliError::failed)?;
    Ok(if parameters.is_empty() { path.to_owned() } else { format!("{path}?{parameters}") })
}
