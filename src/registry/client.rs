//! Asking a registry: one request at a time, at its pace, again where that may help, and never more of an answer than
//! there can be of a good one.
//!
//! The requests are our own, since the answers of oci-client have no headers: neither the link to the next page of a list
//! nor the time after which to ask again can be seen through it, and it reads without a limit.

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

/// What is refused for the moment is asked for so often.
const ATTEMPTS: u32 = 4;
/// The waits between them.
const RETRY: Policy = Policy::new(Duration::from_millis(750), Duration::from_secs(3));
/// A registry that wants to be left alone for longer is asked again nevertheless, or a mistake of its would be the end.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Where a certificate in PEM ends.
const END: &str = "-----END CERTIFICATE-----";
const CONNECTING: Duration = Duration::from_secs(10);
const ANSWERING: Duration = Duration::from_secs(60);

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// None if there is more of it than was wanted.
    pub(super) body: Option<Vec<u8>>,
}

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// Behind the host, with parameters.
    pub(super) path: String,
    pub(super) accept: &'static str,
    pub(super) scope: Scope<'a>,
    /// How many bytes of an answer are wanted.
    pub(super) most: u64,
}

/// The client of one registry.
pub(super) struct Client {
    http: http::Client,
    pub(super) host: String,
    base: String,
    access: Access,
    pace: Pace,
}

impl Client {
    pub(super) fn new(config: &Config) -> Result<Self, RegistryError> {
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
        // Docker Hub's registry has another name than its images.
        let server = if config.host == "docker.io" { "index.docker.io" } else { &config.host };
        let base = format!("{}://{server}", if config.plain_http { "http" } else { "https" });
        let http = http.build().map_err(cannot)?;
        Ok(Self {
            access: Access::new(http.clone(), &config.host, &base, config.credentials.clone()),
            http,
            host: config.host.clone(),
            base,
            pace: Pace::new(config.requests_per_second),
        })
    }

    /// The answer, whatever its status, unless it only says that we should ask again later or are not let in.
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
            let (error, rest) = match sent {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    // Once: a token expires, and a registry says only now that it wants one.
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
                Some(rest) => self.pace.rest(rest.min(LONGEST_REST)).await,
                None => tokio::time::sleep(wait).await,
            }
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

    /// The error for an answer with a status that is of no use.
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

/// Whether an error is told as a registry tells it.
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

/// What the registry says of an error, in a line.
pub(super) fn said(answer: &Answer) -> String {
    let errors = errors(answer).map(|body| body.errors).unwrap_or_default();
    let words: Vec<String> =
        errors.into_iter().map(|error| error.message).filter(|said| !said.is_empty()).collect();
    words.join("; ")
}
