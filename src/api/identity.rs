//! The identity of a process, by which a client recognises it at an address that another process may have now.
//!
//! The process and its clients have a key. A client sends a challenge that nobody has seen before, and the process answers
//! with its HMAC, so that whoever listens at the address learns neither the key nor an answer for the next client.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use axum::middleware::{Next, from_fn};
use data_encoding::HEXLOWER;

use crate::http::signature::{hmac, is_hmac};

/// The client's challenge.
pub(super) const CHALLENGE: HeaderName = HeaderName::from_static("clade-challenge");
/// The HMAC-SHA256 of the challenge, in hexadecimal digits.
const IDENTITY: HeaderName = HeaderName::from_static("clade-identity");

/// Bytes of a challenge. The answer to a longer one has no identity.
const MOST_BYTES: usize = 128;

/// Adds the identity to the answers to requests that have a challenge.
pub fn identified(router: Router, key: &str) -> Router {
    let key = key.to_owned();
    router.layer(from_fn(move |request: Request, next: Next| {
        let challenge = request.headers().get(CHALLENGE).filter(|challenge| challenge.len() <= MOST_BYTES);
        let identity =
            challenge.map(|challenge| HEXLOWER.encode(&hmac(key.as_bytes(), challenge.as_bytes())));
        async move {
            let mut response = next.run(request).await;
            if let Some(identity) = identity.and_then(|identity| HeaderValue::from_str(&identity).ok()) {
                response.headers_mut().insert(IDENTITY, identity);
            }
            response
        }
    }))
}

/// Returns a new challenge.
pub(super) fn challenge() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Returns `true` if the answer to the challenge comes from a process with this key.
pub(super) fn is_of<T>(response: &Response<T>, key: &str, challenge: &str) -> bool {
    let answer = identity_in(response.headers());
    answer.is_some_and(|answer| is_hmac(key.as_bytes(), challenge.as_bytes(), &answer))
}

fn identity_in(headers: &HeaderMap) -> Option<[u8; 32]> {
    HEXLOWER.decode(headers.get(IDENTITY)?.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(challenge: Option<&str>) -> Response<Body> {
        let router = identified(Router::new().route("/", get(|| async {})), "key");
        let mut request = Request::get("/");
        if let Some(challenge) = challenge {
            request = request.header(CHALLENGE, challenge);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn whoever_has_no_key_cannot_answer_a_new_challenge() {
        let heard = answer(Some("first")).await;
        assert!(is_of(&heard, "key", "first"));
        assert!(!is_of(&heard, "another key", "first"));
        assert!(!is_of(&heard, "key", &challenge().unwrap()), "an answer that was heard before");
        assert!(!is_of(&answer(None).await, "key", ""));
        assert!(!is_of(&answer(Some(&"x".repeat(129))).await, "key", &"x".repeat(129)));
    }
}
