//! Decides who may send commands. Everybody whom the network lets through may read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::hosts::{Asked, asked_as};
use crate::http::signature::{hmac, is_hmac};

/// Accepts a command that comes from this machine and addresses it by a local name, or that has the token. The check of
/// the name rejects requests that only seem local: those forwarded by a proxy beside this process, and those of a web
/// page whose name suddenly resolves to this machine.
pub(super) async fn commands(
    State(token): State<Option<Arc<str>>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // A request within the process has no address.
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_here = peer.is_none_or(|ConnectInfo(address)| {
        address.ip().to_canonical().is_loopback() && is_asked_as_local(&request)
    });
    if is_here || has_token(token.as_deref(), &request) {
        return Ok(next.run(request).await);
    }
    Err(ApiError::unauthorized(
        "commands are taken from the machine (or pod) that this clade runs on, asked as localhost or 127.0.0.1, or with \
         the token of its --command-token-file: give it with --token-file",
    ))
}

/// Returns `true` if the host in the request is a local name.
fn is_asked_as_local(request: &Request) -> bool {
    match asked_as(request) {
        Asked::Name(host) => {
            host == "localhost"
                || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        }
        Asked::Nothing | Asked::Malformed => false,
    }
}

fn has_token(token: Option<&str>, request: &Request) -> bool {
    let Some(token) = token else { return false };
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| {
        // Digests are compared in constant time, so that the time does not reveal the length of a common beginning.
        const KEY: &[u8] = b"clade";
        is_hmac(KEY, given.trim().as_bytes(), &hmac(KEY, token.as_bytes()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::http::header::HOST;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(token: Option<&str>, peer: Option<&str>, given: Option<&str>) -> StatusCode {
        answer_as(Some("localhost:8080"), token, peer, given).await
    }

    async fn answer_as(
        host: Option<&str>,
        token: Option<&str>,
        peer: Option<&str>,
        given: Option<&str>,
    ) -> StatusCode {
        let token: Option<Arc<str>> = token.map(Arc::from);
        let router =
            Router::new().route("/", post(|| async {})).route_layer(from_fn_with_state(token, commands));
        let mut request = Request::post("/");
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
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

    #[tokio::test]
    async fn what_comes_from_here_under_another_name_needs_the_token() {
        let here = Some("127.0.0.1:4000");
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(answer_as(Some(host), None, here, None).await, StatusCode::OK, "{host}");
        }
        let others = [
            None,
            Some("clade.clade.svc:8080"),
            Some("evil.example"),
            Some("10.0.0.1"),
            Some("localhost.evil.example"),
            Some("evil.example@127.0.0.1"),
            Some("@localhost"),
        ];
        for host in others {
            assert_eq!(answer_as(host, None, here, None).await, StatusCode::UNAUTHORIZED, "{host:?}");
            assert_eq!(answer_as(host, Some("sesame"), here, Some("Bearer sesame")).await, StatusCode::OK);
        }
    }
}
