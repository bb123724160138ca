//! Refuses requests that name this process by a name that strangers may own.
//!
//! A web page of a stranger cannot read what another host answers, but its own name may suddenly resolve to this machine
//! (DNS rebinding). Its requests then carry the stranger's name as `Host`. Addresses, and names that no public DNS
//! resolves, cannot be his.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;

/// The ends of names that stand for services of a cluster, and for machines of a network of one's own. Of `.local` anybody in
/// the same network may claim a name (mDNS).
const LOCAL_ENDS: [&str; 4] = [".svc", ".cluster.local", ".internal", ".localhost"];

/// Lets a router answer only requests for addresses, for local names, and for these names.
pub fn known_hosts(router: Router, allowed: &[String]) -> Router {
    let allowed: Arc<[String]> = allowed.iter().map(|name| name.trim_end_matches('.').to_owned()).collect();
    router.layer(from_fn(move |request: Request, next: Next| {
        let allowed = Arc::clone(&allowed);
        async move {
            match asked_as(&request) {
                Asked::Nothing => next.run(request).await,
                Asked::Name(name) if is_known(&name, &allowed) => next.run(request).await,
                Asked::Name(name) => refuse(&format!("{name:?}")),
                Asked::Malformed => refuse("no host"),
            }
        }
    }))
}

fn refuse(asked: &str) -> Response {
    ApiError::misdirected(format!(
        "this clade is not known by this name ({asked}), which might be a stranger's: ask it by its address, or start it with \
         --allowed-host NAME"
    ))
    .into_response()
}

/// The host that a request names.
pub(super) enum Asked {
    /// None, as requests within the process and those of HTTP/1.0.
    Nothing,
    /// This one, without the port.
    Name(String),
    /// A text that is no host. A host has no user: somebody else may read `x@127.0.0.1` otherwise than clade does.
    Malformed,
}

pub(super) fn asked_as(request: &Request) -> Asked {
    let authority = match request.headers().get(HOST) {
        Some(header) => match header.to_str().ok().and_then(|header| header.parse::<Authority>().ok()) {
            Some(authority) => authority,
            None => return Asked::Malformed,
        },
        None => match request.uri().authority() {
            Some(authority) => authority.clone(),
            None => return Asked::Nothing,
        },
    };
    if authority.as_str().contains('@') {
        return Asked::Malformed;
    }
    Asked::Name(authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase())
}

fn is_known(name: &str, allowed: &[String]) -> bool {
    let name = name.trim_end_matches('.');
    name.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || LOCAL_ENDS.iter().any(|end| name.ends_with(end))
        || allowed.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(host: Option<&str>) -> StatusCode {
        let router = Router::new().route("/", get(|| async {}));
        let router = known_hosts(router, &["Clade.example.com".to_owned()]);
        let mut request = Request::get("/");
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn addresses_local_names_and_allowed_names_are_answered() {
        for host in [
            None,
            Some("127.0.0.1:8080"),
            Some("10.0.0.1"),
            Some("[fd00::1]:8080"),
            Some("localhost:8080"),
            Some("clade-serve:7878"),
            Some("clade-serve.clade.svc:7878"),
            Some("clade-serve.clade.svc.cluster.local."),
            Some("clade.example.com:443"),
        ] {
            assert_eq!(answer(host).await, StatusCode::OK, "{host:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_a_stranger_may_own_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "clade.example.com.evil.example",
            "x@127.0.0.1",
            "svc.example",
            " ",
        ] {
            assert_eq!(answer(Some(host)).await, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
    }
}
