//! Notifies the sink of tags that no BuildConfig builds, by HTTP, signed as Standard Webhooks defines it.

use std::time::Duration;

use super::RebuildError;
use crate::http::signature::webhook_signature;
use crate::http::{self, StatusCode, with_causes};
use crate::oci::Timestamp;

const CONNECTING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(15);

/// The address of the sink.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// An http or https URL.
    pub url: String,
    /// The key that signs bodies.
    pub key: Option<Vec<u8>>,
}

/// The sink: its receiver rebuilds tags that no BuildConfig builds.
pub struct Sink {
    http: http::Client,
    config: SinkConfig,
}

/// The result of a notification.
pub(super) enum Told {
    Taken,
    /// The sink may accept it another time.
    NotNow(String),
    Refused(String),
}

impl Sink {
    /// Returns the sink at an address.
    pub fn new(config: SinkConfig) -> Result<Self, RebuildError> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            let problem = format!("the sink {:?} must be an http or https URL", config.url);
            return Err(RebuildError::Invalid(problem));
        }
        let cannot =
            |error| RebuildError::Invalid(format!("the sink cannot be used: {}", with_causes(error)));
        Ok(Self {
            http: http::builder(CONNECTING, ANSWERING)
                .redirect(http::Policy::none())
                .build()
                .map_err(cannot)?,
            config,
        })
    }

    /// Posts a CloudEvent as JSON under this ID.
    pub(super) async fn post(&self, id: &str, body: Vec<u8>) -> Told {
        let seconds = Timestamp::now().as_second();
        let mut request = self
            .http
            .post(&self.config.url)
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds);
        if let Some(key) = &self.config.key {
            request = request.header("webhook-signature", webhook_signature(key, id, seconds, &body));
        }
        match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => Told::Taken,
            Ok(answer) => {
                let status = answer.status();
                let to = answer.headers().get(http::header::LOCATION).and_then(|to| to.to_str().ok());
                // A redirect could send the signed body to a stranger, so none is followed.
                let to = to
                    .map(|to| format!(" to {to}, which clade does not follow; name that"))
                    .unwrap_or_default();
                let problem = format!("the sink answers {status}{to}");
                let is_passing = status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
                if is_passing { Told::NotNow(problem) } else { Told::Refused(problem) }
            }
            Err(error) => Told::NotNow(format!("the sink cannot be reached: {}", with_causes(error))),
        }
    }
}
