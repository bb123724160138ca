//! Accepts notifications of registries at `POST /v1/registries/notify`, from senders that know the secret.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use tokio::sync::mpsc::Sender;

use super::error::ApiError;
use crate::http::signature::{hmac, is_hmac};
use crate::registry::{Notice, notice};

/// Bytes of a notification: everybody may send one, and the signature is over all of it.
const MOST: usize = 256 << 10;

const SIGNATURE: &str = "x-hub-signature-256";

struct Notified {
    secret: Vec<u8>,
    /// One channel for each watched registry. A notification does not name its registry reliably, since a registry is
    /// known under several names.
    to: Vec<Sender<Notice>>,
}

/// The answer to a notification.
#[derive(Debug, Serialize)]
struct Taken {
    /// The number of places that clade will look at.
    places: usize,
}

/// Accepts notifications of registries from senders that know the secret, and passes the places on.
pub fn notifications(secret: &[u8], to: Vec<Sender<Notice>>) -> Router {
    let state = Arc::new(Notified { secret: secret.to_owned(), to });
    Router::new()
        .route("/v1/registries/notify", post(notify).layer(DefaultBodyLimit::max(MOST)))
        .with_state(state)
}

async fn notify(
    State(state): State<Arc<Notified>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    if !is_allowed(&state.secret, &headers, &body) {
        return Err(ApiError::unauthorized(
            "notifications need the secret: Authorization: Bearer SECRET, or X-Hub-Signature-256",
        ));
    }
    let notices = notice::read(&body).map_err(ApiError::invalid)?;
    for (to, notice) in state.to.iter().flat_map(|to| notices.iter().map(move |notice| (to, notice))) {
        // Without room the next poll finds the change anyway.
        let _ = to.try_send(notice.clone());
    }
    Ok((StatusCode::ACCEPTED, Json(Taken { places: notices.len() })))
}

/// Returns `true` if the sender knows the secret: it signed the body with it, or sends it as a token or as a password.
fn is_allowed(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(signature) = header(SIGNATURE) {
        let signature = signature.strip_prefix("sha256=").unwrap_or_default();
        let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).unwrap_or_default();
        return signature.try_into().is_ok_and(|signature| is_hmac(secret, body, &signature));
    }
    match header(AUTHORIZATION.as_str()).and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            is_same(secret, token.trim().as_bytes())
        }
        // Quay can send no headers; the user part of the address arrives as this one.
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
            let decoded = BASE64.decode(encoded.trim().as_bytes()).unwrap_or_default();
            decoded
                .iter()
                .position(|byte| *byte == b':')
                .is_some_and(|colon| is_same(secret, &decoded[colon + 1..]))
        }
        _ => false,
    }
}

/// Compares digests in constant time, so that the time does not reveal how much is equal.
fn is_same(secret: &[u8], given: &[u8]) -> bool {
    const KEY: &[u8] = b"clade";
    is_hmac(KEY, given, &hmac(KEY, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(name: &'static str, value: &str) -> bool {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        is_allowed(b"It's a Secret to Everybody", &headers, b"Hello, World!")
    }

    #[test]
    fn a_body_is_signed_as_github_documents_it() {
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(allowed(SIGNATURE, &format!("sha256={signature}")));
        for wrong in
            [signature.to_owned(), format!("sha256={}", signature.replace('7', "8")), "sha256=".to_owned()]
        {
            assert!(!allowed(SIGNATURE, &wrong), "{wrong}");
        }
    }

    #[test]
    fn the_secret_itself_is_a_token_or_a_password() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        assert!(allowed("authorization", "Bearer It's a Secret to Everybody"));
        assert!(allowed("authorization", &basic("quay:It's a Secret to Everybody")));
        for wrong in ["Bearer It's a Secret", "Bearer ", "It's a Secret to Everybody", "Basic !"] {
            assert!(!allowed("authorization", wrong), "{wrong}");
        }
        assert!(!allowed("authorization", &basic("It's a Secret to Everybody")));
        assert!(!is_allowed(b"secret", &HeaderMap::new(), b""));
    }
}
