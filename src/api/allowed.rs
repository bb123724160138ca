//! Decides whether a request is let through: by where it comes from, and by the token that it has.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::crossing;
use super::error::ApiError;
use super::hosts::{Asked, asked_as};
use super::lasting::while_permitted;
use super::stream::Streamed;
use crate::access::{Authority, Need, Scope, Verdict};

/// Bytes of a token that is looked at. Those of Kubernetes have some thousand.
const LONGEST: usize = 16 << 10;

/// Who may ask a process. Without an authority everybody whom the network lets through may read, and nobody but the same
/// machine may command.
#[derive(Clone, Default)]
pub struct Access(pub Option<Arc<dyn Authority>>);

/// The need of a route, and the authority that decides.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) access: Access,
    pub(super) need: Need,
}

/// Lets a request through that may do what its route does.
pub(super) async fn allowed(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Guard { access: Access(authority), need } = guard;
    let need = if is_watch(&request) { need.watch() } else { need };
    if need.scope != Scope::Read
        && let Err(refused) = crossing::check(&request)
    {
        return refused.into_response();
    }
    let Some(authority) = authority else {
        let is_allowed = need.scope == Scope::Read || is_here(&request);
        return if is_allowed { next.run(request).await } else { challenge(COMMANDS, "") };
    };
    let token = match given(&request) {
        Given::Token(token) => token.to_owned(),
        Given::Nothing if is_here(&request) => return next.run(request).await,
        Given::Nothing => return challenge(TOKENS, ""),
        Given::Otherwise => return challenge(NO_TOKEN, INVALID),
    };
    match authority.judge(&token, need).await {
        Ok(Verdict::Allowed) => {
            let response = next.run(request).await;
            match response.extensions().get::<Streamed>() {
                Some(Streamed) => while_permitted(response, authority, token, need),
                None => response,
            }
        }
        Ok(Verdict::Forbidden(owner)) => forbidden(&owner, need).into_response(),
        Ok(Verdict::Unknown) => challenge(UNKNOWN, INVALID),
        Err(reason) => ApiError::unavailable(format!(
            "nobody can tell now what this token may do: {reason}; nothing was done, ask again soon"
        ))
        .into_response(),
    }
}

/// Returns `true` for a list that is watched.
fn is_watch(request: &Request) -> bool {
    // Read as the routes read it.
    let parameters: Vec<(String, String)> =
        request.uri().query().and_then(|query| serde_urlencoded::from_str(query).ok()).unwrap_or_default();
    parameters.iter().any(|(name, value)| name == "watch" && value == "true")
}

const COMMANDS: &str = "commands are taken from the machine (or pod) that this clade runs on, asked as localhost or 127.0.0.1, or \
                        with a token that it knows (--tokens-file or --authenticate): give it with --token-file";
const TOKENS: &str = "this clade answers those who have a token: give it with --token-file, or as the header Authorization: \
                      Bearer TOKEN";
const NO_TOKEN: &str =
    "the header Authorization has no token that clade could read: write Authorization: Bearer TOKEN";
const UNKNOWN: &str = "this token is unknown here, or has expired: ask whoever runs this clade for one (clade token makes it; \
                       with Kubernetes, kubectl create token does)";
/// RFC 6750: a token was given, and is no good.
const INVALID: &str = ", error=\"invalid_token\"";

fn challenge(problem: &str, error: &str) -> Response {
    let header = format!("Bearer realm=\"clade\"{error}");
    ([(WWW_AUTHENTICATE, header)], ApiError::unauthorized(problem)).into_response()
}

fn forbidden(owner: &str, Need { scope, verb, resource }: Need) -> ApiError {
    ApiError::forbidden(format!(
        "{owner} may not do that: it needs the scope {scope} in the file of tokens, or on Kubernetes the right to {verb} \
         {resource} of clade.dev"
    ))
}

/// Returns `true` for a request from this machine that addresses it by a local name. The check of the name rejects requests
/// that only seem local: those forwarded by a proxy beside this process, and those of a web page whose name suddenly resolves
/// to this machine.
fn is_here(request: &Request) -> bool {
    // A request within the process has no address.
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_none_or(|ConnectInfo(address)| {
        address.ip().to_canonical().is_loopback() && is_asked_as_local(request)
    })
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

enum Given<'a> {
    Nothing,
    Token(&'a str),
    /// Something that is no token.
    Otherwise,
}

fn given(request: &Request) -> Given<'_> {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Given::Nothing };
    let parts = header.to_str().ok().and_then(|header| header.split_once(' '));
    match parts.map(|(scheme, token)| (scheme, token.trim())) {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && (1..=LONGEST).contains(&token.len()) =>
        {
            Given::Token(token)
        }
        _ => Given::Otherwise,
    }
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
    use crate::access::Judging;

    /// Knows one token that may read, and one that may command.
    struct Known;

    impl Authority for Known {
        fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a> {
            Box::pin(async move {
                match (token, need.scope) {
                    ("reads", Scope::Read) | ("commands", Scope::Command) => Ok(Verdict::Allowed),
                    ("reads" | "commands", _) => Ok(Verdict::Forbidden("somebody".to_owned())),
                    ("unsure", _) => Err("the API server is away".to_owned()),
                    _ => Ok(Verdict::Unknown),
                }
            })
        }
    }

    #[derive(Clone, Copy)]
    struct Asks<'a> {
        need: Need,
        knows: bool,
        host: Option<&'a str>,
        peer: Option<&'a str>,
        given: Option<&'a str>,
    }

    const COMMAND: Asks = Asks {
        need: Need::command("create", "rebuilds"),
        knows: true,
        host: Some("localhost:8080"),
        peer: Some("10.1.2.3:4000"),
        given: None,
    };
    const READ: Asks = Asks { need: Need::read("list", "images"), ..COMMAND };

    async fn answer(asks: Asks<'_>) -> Response {
        let access = Access(asks.knows.then(|| Arc::new(Known) as Arc<dyn Authority>));
        let guard = Guard { access, need: asks.need };
        let router =
            Router::new().route("/", post(|| async {})).route_layer(from_fn_with_state(guard, allowed));
        let mut request = Request::post("/");
        for (name, value) in [(HOST, asks.host), (AUTHORIZATION, asks.given)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(peer) = asks.peer {
            request = request.extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn without_an_authority_everybody_reads_and_commands_come_from_here() {
        let answer = async |asks: Asks<'_>| answer(Asks { knows: false, ..asks }).await.status();
        assert_eq!(answer(READ).await, StatusCode::OK);
        for peer in [None, Some("127.0.0.1:4000"), Some("[::1]:4000"), Some("[::ffff:127.0.0.1]:4000")] {
            assert_eq!(answer(Asks { peer, ..COMMAND }).await, StatusCode::OK, "{peer:?}");
        }
        assert_eq!(answer(COMMAND).await, StatusCode::UNAUTHORIZED);
        let given = Some("Bearer commands");
        assert_eq!(answer(Asks { given, ..COMMAND }).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn with_an_authority_a_token_has_to_be_known_and_good_for_what_is_asked() {
        for (given, reads, commands) in [
            (None, 401, 401),
            (Some("Bearer "), 401, 401),
            (Some("Bearer command"), 401, 401),
            (Some("Basic commands"), 401, 401),
            (Some("Bearer reads"), 200, 403),
            (Some("bearer commands"), 403, 200),
            (Some("Bearer unsure"), 503, 503),
        ] {
            for (asks, status) in [(READ, reads), (COMMAND, commands)] {
                let response = answer(Asks { given, ..asks }).await;
                assert_eq!(response.status().as_u16(), status, "{given:?}");
                let challenged = response.headers().get(WWW_AUTHENTICATE);
                let is_bearer = |of: &axum::http::HeaderValue| of.as_bytes().starts_with(b"Bearer realm");
                assert_eq!(challenged.is_some_and(is_bearer), status == 401, "{given:?}");
                assert_eq!(response.headers().contains_key("retry-after"), status == 503);
            }
        }
    }

    #[tokio::test]
    async fn this_machine_needs_no_token_and_one_that_it_gives_is_judged() {
        let here = Asks { peer: Some("127.0.0.1:4000"), ..COMMAND };
        for (given, status) in [(None, 200), (Some("Bearer reads"), 403), (Some("Bearer x"), 401)] {
            assert_eq!(answer(Asks { given, ..here }).await.status().as_u16(), status, "{given:?}");
        }
    }

    #[tokio::test]
    async fn what_comes_from_here_under_another_name_needs_a_token() {
        let here = Asks { peer: Some("127.0.0.1:4000"), ..COMMAND };
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(answer(Asks { host: Some(host), ..here }).await.status(), StatusCode::OK, "{host}");
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
            for knows in [true, false] {
                let asks = Asks { host, knows, ..here };
                assert_eq!(answer(asks).await.status(), StatusCode::UNAUTHORIZED, "{host:?}");
            }
            let given = Some("Bearer commands");
            assert_eq!(answer(Asks { host, given, ..here }).await.status(), StatusCode::OK);
        }
    }
}
