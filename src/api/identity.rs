//! The identity of a process, by which a client recognises it at an address that another process may have now.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Response};
use axum::middleware::map_response;

const HEADER: HeaderName = HeaderName::from_static("clade-identity");

/// Adds the identity to all answers.
pub fn identified(router: Router, identity: &str) -> Router {
    let told = HeaderValue::from_str(identity).ok();
    router.layer(map_response(move |mut response: Response<axum::body::Body>| {
        if let Some(told) = &told {
            response.headers_mut().insert(HEADER, told.clone());
        }
        std::future::ready(response)
    }))
}

/// Returns `true` if the answer comes from the process with this identity.
pub(super) fn is_of<T>(response: &Response<T>, identity: &str) -> bool {
    response.headers().get(HEADER).is_some_and(|told| told.as_bytes() == identity.as_bytes())
}
