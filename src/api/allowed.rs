//! Who may command. Answers are for everybody whom the network lets through; builds are not.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use crate::http::signature::{hmac, is_hmac};

/// Lets a command through that comes from this machine, or has the token.
pub(super) async fn commands(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // Whoever asks within the process has no address.
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_here = peer.is_none_or(|ConnectInfo(address)| address.ip().to_canonical().is_loopback());
    if is_here || has_token(&state, &request) {
        return Ok(next.run(request).await);
    }
    Err(ApiError::unauthorized(
        "commands are taken from the machine (or pod) that this clade runs on, or with the token of its \
         --command-token-file: give it with --token-file",
    ))
}

fn has_token(state: &ApiState, request: &Request) -> bool {
    let Some(token) = &state.command_token else { return false };
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| {
        // Digests are compared, in a time that does not tell how much is the same.
        const KEY: &[u8] = b"clade";
        is_hmac(KEY, given.trim().as_bytes(), &hmac(KEY, token.as_bytes()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;
    use crate::engine::{Engine, Options};
    use crate::log::memory::{Faults, MemoryLog};

    async fn answer(token: Option<&str>, peer: Option<&str>, given: Option<&str>) -> StatusCode {
        let log = Arc::new(MemoryLog::new(1, Faults::none()));
        let engine = Engine::publish_only(log, &Options::default().processor);
        let state = ApiState::new(Arc::new(engine)).with_command_token(token.map(str::to_owned));
        let router =
            Router::new().route("/", post(|| async {})).route_layer(from_fn_with_state(state, commands));
        let mut request = Request::post("/");
        if let Some(given) = given {
            request = request.header(AUTHORIZATION, given);
        }
        if let Some(peer) = peer {
            request = request.extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn commands_come_from_here_or_with_the_token() {
        let far = Some("10.1.2.3:4000");
        for peer in [None, Some("127.0.0.1:4000"), Some("[::1]:4000"), Some("[::ffff:127.0.0.1]:4000")] {
            assert_eq!(answer(None, peer, None).await, StatusCode::OK, "{peer:?}");
        }
        assert_eq!(answer(None, far, None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(None, far, Some("Bearer ")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(Some("sesame"), far, None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(Some("sesame"), far, Some("Bearer sesam")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(Some("sesame"), far, Some("Basic sesame")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(Some("sesame"), far, Some("Bearer sesame")).await, StatusCode::OK);
    }
}
