//! The HTTP client of a registry. It keeps to the registry's pace, retries where that may help, and never reads more of
//! an answer than a valid one can have.
//!
//! clade sends the requests itself, since oci-client does not return the headers of an answer: it hides the link to the
//! next page of a list and the time after which to retry, and it reads without a limit.

use std::time::Duration;

use serde::Deserialize;

use super::access::{Access, Scope};
use super::challenge::Challenge;
use super::pace::Pace;
use super::{Config, RegistryError};
use crate::http::header::{ACCEPT, HeaderMap, RETRY_AFTER};
use crate::http::{self, Method, StatusCode, with_causes};
use crate::oci::lenient;
use crate::retry::Policy;
use crate::telemetry::RegistryMetrics;

/// Attempts of a request that fails for the moment, at most.
const ATTEMPTS: u32 = 4;
/// The waits between the attempts.
const RETRY: Policy = Policy::new(Duration::from_millis(750), Duration::from_secs(3));
/// The longest pause that a registry can demand. A longer one, demanded by mistake, would stop the watcher.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The end of a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----";
const CONNECTING: Duration = Duration::from_secs(10);
const ANSWERING: Duration = Duration::from_secs(60);

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `None` if the body is longer than the request allows.
    pub(super) body: Option<Vec<u8>>,
}

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// The path behind the host, with parameters.
    pub(super) path: String,
    pub(super) accept: &'static str,
    pub(super) scope: Scope<'a>,
    /// Bytes of the body, at most.
    pub(super) most: u64,
}

/// The client of one registry.
pub(super) struct Client {
    http: http::Client,
    pub(super) host: String,
    base: String,
    access: Access,
    pace: Pace,
    pub(super) metrics: RegistryMetrics,
}

impl Client {
    pub(super) fn new(config: &Config, metrics: RegistryMetrics) -> Result<Self, RegistryError> {
        let mut http = http::builder(CONNECTING, ANSWERING);
        let mut certificates = 0;
        if let Some(path) = &config.ca_certificate {
            let shown = path.display();
            let wrong = |problem: String| RegistryError::Config(format!("{shown}: {problem}"));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            for pem in text.split_inclusive(END).filter(|pem| pem.contains(END)) {
                let read = http::Certificate::from_pem(pem.as_bytes())
                    .map_err(|error| wrong(format!("not a certificate in PEM: {}", with_causes(error))))?;
                http = http.tls_certs_merge([read]);
                certificates += 1;
            }
            if certificates == 0 {
                return Err(wrong("it has no certificate in PEM".to_owned()));
            }
        }
        let cannot = |error| {
            RegistryError::Config(format!("cannot make a client of {}: {}", config.host, with_causes(error)))
        };
        // The registry of Docker Hub has another host than the names of its images.
        let server = if config.host == "docker.io" { "index.docker.io" } else { &config.host };
        let base = format!("{}://{server}", if config.plain_http { "http" } else { "https" });
        let http = http.build().map_err(cannot)?;
        Ok(Self {
            access: Access::new(http.clone(), &config.host, &base, config.credentials.clone()),
            http,
            host: config.host.clone(),
            base,
            pace: Pace::new(config.requests_per_second),
            metrics,
        })
    }

    /// Sends a request and returns the answer, whatever its status. Only a refusal (401) and a temporary status after
    /// all attempts are errors.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<Answer, RegistryError> {
        let mut pass = self.access.pass(request.scope).await?;
        let mut has_asked_in = false;
        let mut attempt = 1;
        loop {
            let turn = self.pace.turn().await;
            let sent =
                self.send(request, pass.put_on(self.http.request(request.method.clone(), self.url(request))));
            let sent = sent.await;
            drop(turn);
            self.count(sent.as_ref().ok().map(|answer| answer.status));
            let (error, rest) = match sent {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    // Only once: a token expires, or the registry says only in this answer that it demands one.
                    if std::mem::replace(&mut has_asked_in, true) {
                        return Err(self.access.refused(request.scope, &said(&answer)));
                    }
                    pass = self.access.ask(request.scope, Challenge::of(&answer.headers)).await?;
                    continue;
                }
                Ok(answer) if is_temporary(answer.status) => {
                    let rest =
                        answer.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
                    (self.status(request, &answer), rest.map(Duration::from_secs))
                }
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let is_everywhere = error.is_connect();
                    let (host, problem) = (self.host.clone(), with_causes(error));
                    let error = match is_everywhere {
                        true => RegistryError::Unreachable { host, problem },
                        false => RegistryError::Broken { host, path: request.path.clone(), problem },
                    };
                    (error, None)
                }
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            let wait = RETRY.wait(attempt, fastrand::f64());
            attempt += 1;
            match rest {
                Some(rest) => self.pace.rest(rest.min(LONGEST_REST)),
                None => tokio::time::sleep(wait).await,
            }
        }
    }

    fn count(&self, answered: Option<StatusCode>) {
        let RegistryMetrics { answered: of_answers, refused, failed, .. } = &self.metrics;
        match answered {
            None => failed.inc(),
            Some(status) if is_temporary(status) => failed.inc(),
            Some(status) if status.is_client_error() && status != StatusCode::NOT_FOUND => refused.inc(),
            Some(_) => of_answers.inc(),
        }
    }

    async fn send(
        &self,
        request: &Request<'_>,
        prepared: http::RequestBuilder,
    ) -> Result<Answer, http::Error> {
        let mut response = prepared.header(ACCEPT, request.accept).send().await?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            body.extend_from_slice(&piece);
            if body.len() as u64 > request.most {
                let headers = std::mem::take(response.headers_mut());
                return Ok(Answer { status: response.status(), headers, body: None });
            }
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body: Some(body) })
    }

    /// Returns the error for an answer with a status that clade cannot use.
    pub(super) fn status(&self, request: &Request<'_>, answer: &Answer) -> RegistryError {
        let said = said(answer);
        RegistryError::Status {
            host: self.host.clone(),
            status: answer.status.as_u16(),
            path: request.path.clone(),
            problem: if said.is_empty() { said } else { format!(": {said}") },
        }
    }

    fn url(&self, request: &Request<'_>) -> String {
        format!("{}{}", self.base, request.path)
    }
}

fn is_temporary(status: StatusCode) -> bool {
    (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// Returns `true` if the answer has errors in the format of a registry.
pub(super) fn is_of_registry(answer: &Answer) -> bool {
    errors(answer).is_some_and(|body| !body.errors.is_empty())
}

/// The body of an error (distribution-spec, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorInfo>,
}

#[derive(Deserialize)]
struct ErrorInfo {
    #[expect(dead_code, reason = "clade acts by the status; an error without a code is not a registry's")]
    code: String,
    #[serde(default, deserialize_with = "lenient::field")]
    message: String,
}

fn errors(answer: &Answer) -> Option<Errors> {
    answer.body.as_deref().and_then(|body| serde_json::from_slice(body).ok())
}

/// Returns the error messages of the registry, in one line.
pub(super) fn said(answer: &Answer) -> String {
    let errors = errors(answer).map(|body| body.errors).unwrap_or_default();
    let words: Vec<String> =
        errors.into_iter().map(|error| error.message).filter(|said| !said.is_empty()).collect();
    words.join("; ")
}
