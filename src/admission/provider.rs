//! Questions of Gatekeeper about images, and the answers (Gatekeeper, "External Data": `externaldata.gatekeeper.sh/v1beta1`).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::{Container, ContainerVerdict, PodVerdict, Subject};
use crate::record::ContainerRole;

const API_VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";
/// Images of one question, at most.
const MOST: usize = 1_000;

/// The error of a question that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The body is no ProviderRequest.
    #[error("the body is no ProviderRequest: {0}")]
    Body(#[from] serde_json::Error),
    /// The body is of another version or kind.
    #[error("the body is {kind:?} of {version:?}; this provider takes ProviderRequest of {API_VERSION}")]
    Version {
        /// Its version.
        version: String,
        /// Its kind.
        kind: String,
    },
    /// Too many images.
    #[error("the request has {0} keys; this provider takes at most {MOST}")]
    TooMany(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Keys,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

/// Reads a question: a pod with a container for each key, the name of an image.
pub fn asked_images(body: &[u8]) -> Result<Subject, ProviderError> {
    let Body { api_version, kind, request: Keys { keys } } = serde_json::from_slice(body)?;
    if api_version != API_VERSION || kind != "ProviderRequest" {
        return Err(ProviderError::Version { version: api_version, kind });
    }
    if keys.len() > MOST {
        return Err(ProviderError::TooMany(keys.len()));
    }
    let container = |image| Container { name: String::new(), role: ContainerRole::Container, image };
    Ok(Subject { containers: keys.into_iter().map(container).collect(), ..Subject::default() })
}

/// The answer: for each image the verdict, the consequence and the reason. A policy that is not ready is an error of the whole
/// question: Gatekeeper's `failurePolicy` says what follows.
pub fn provided(verdict: &PodVerdict) -> Value {
    if let Some(problem) = verdict.not_ready.first() {
        return unprovided(&format!("policy {} is not ready: {}", problem.policy, problem.message));
    }
    let items: Vec<Value> = verdict.containers.iter().map(|of| item(of, verdict.stale)).collect();
    response(json!({"idempotent": true, "items": items}))
}

/// The answer that nothing can be said.
pub fn unprovided(problem: &str) -> Value {
    response(json!({"idempotent": true, "systemError": problem}))
}

fn response(response: Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": "ProviderResponse", "response": response})
}

fn item(of: &ContainerVerdict, is_stale: bool) -> Value {
    let by = of.judgements.first();
    json!({"key": of.container.image, "value": {
        "verdict": of.verdict,
        "decision": by.map(|by| by.decision),
        "reason": by.map(|by| by.reason.as_str()),
        "message": by.map(|by| by.message.as_str()),
        "stale": is_stale,
    }})
}
