//! Telling others that a tag is to be rebuilt: a CloudEvent by HTTP, signed as Standard Webhooks has it.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::RebuildError;
use super::begin::refused;
use super::desk::changed;
use super::look::{Known, is_over};
use super::worker::Context;
use crate::http::signature::webhook_signature;
use crate::http::{self, StatusCode, with_causes};
use crate::kubernetes::BuildError;
use crate::oci::{Digest, Timestamp};
use crate::record::rebuild::TargetState;
use crate::record::{Target, TargetRecord};

const CONNECTING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(15);
/// The event's type; its version is that of its data.
const TYPE: &str = "dev.clade.rebuild-requested.v1";

/// Where tags are told.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// An http or https URL.
    pub url: String,
    /// The key that bodies are signed with.
    pub key: Option<Vec<u8>>,
}

/// Whoever has tags rebuilt that no BuildConfig builds.
pub struct Sink {
    http: http::Client,
    config: SinkConfig,
}

/// What is told of one tag.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Requested<'a> {
    /// The full name of the tag.
    tag: &'a str,
    rebuild: &'a str,
    class: &'a str,
    wave: u32,
    /// Counts how often it is told: a build of the time before has failed or did not come.
    attempt: u32,
    /// The base version that its image is built on.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Digest>,
    reason: &'a str,
}

enum Told {
    Taken,
    /// It may be taken another time.
    NotNow(String),
    Refused(String),
}

impl Sink {
    /// The sink at an address.
    pub fn new(config: SinkConfig) -> Result<Self, RebuildError> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            let problem = format!("the sink {:?} must be an http or https URL", config.url);
            return Err(RebuildError::Invalid(problem));
        }
        let cannot =
            |error| RebuildError::Invalid(format!("the sink cannot be told: {}", with_causes(error)));
        Ok(Self {
            http: http::builder(CONNECTING, ANSWERING)
                .redirect(http::Policy::none())
                .build()
                .map_err(cannot)?,
            config,
        })
    }

    async fn post(&self, id: &str, body: Vec<u8>) -> Told {
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
                // Elsewhere a signed body would be a stranger's.
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

/// Tells of a target that is written down as being begun. A crash between may tell it twice, under the same ID.
pub(super) async fn tell(context: &Context, known: &Known) -> Result<(), RebuildError> {
    let target = &known.target;
    // Of what was not told, the same attempt is told another time.
    let untold = |message: String| TargetRecord {
        attempts: target.attempts.saturating_sub(1),
        ..changed(target, TargetState::Waiting, message)
    };
    if !known.may_begin {
        return context.write(untold("it may have been told".to_owned())).await;
    }
    let (Some(sink), Target::Tag(tag)) = (&context.sink, &target.target) else {
        let error = BuildError::Refused("this clade has no sink: start it with --sink".to_owned());
        return context.write(refused(target, error)).await;
    };
    let id = format!("{}/{}#{}", target.rebuild, target.target, target.attempts);
    let data = Requested {
        tag,
        rebuild: &target.rebuild,
        class: &known.class,
        wave: target.wave,
        attempt: target.attempts,
        version: target.reason.version,
        reason: &known.message,
    };
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/clade/rebuilds", "type": TYPE, "subject": tag,
        "time": target.started, "datacontenttype": "application/json", "data": data,
    });
    let next = match sink.post(&id, event.to_string().into_bytes()).await {
        Told::Taken => {
            context.metrics.builds_begun.inc();
            changed(target, TargetState::Running, "told; waits for its image")
        }
        Told::NotNow(problem) => {
            let seconds = known.limits.build_timeout_seconds;
            match target.started.is_some_and(|at| is_over(at, Duration::from_secs(seconds))) {
                true => changed(target, TargetState::Failed, problem).at_end(Timestamp::now()),
                false => untold(format!("{problem}; told again soon")),
            }
        }
        Told::Refused(problem) => refused(target, BuildError::Refused(problem)),
    };
    context.write(next).await
}
