//! Conditional requests: an answer has an `ETag`, and a client that has the answer already gets none.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Ask;
use crate::oci::Digest;
use crate::query::Query;

/// Parameters that count from now, so that an answer changes while the index stays as it is.
const FROM_NOW: [&str; 3] = ["outdatedFor=", "createdAfter=", "createdBefore="];

/// Answers 304 if the client names the tag of the present answer. The tag is that of the index before the answer is made: the
/// answer is at least as new, so no tag ever stands for something older than it names.
pub(super) async fn conditional(State(asked): State<Arc<dyn Ask>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let counts_from_now = uri.query().is_some_and(|query| FROM_NOW.iter().any(|name| query.contains(name)));
    if request.method() != Method::GET || counts_from_now {
        return next.run(request).await;
    }
    let accepted = request.headers().get("accept").map_or(&[][..], HeaderValue::as_bytes);
    let state = Query::new(asked.snapshot()).state();
    let version = env!("CARGO_PKG_VERSION");
    let parts = [version.as_bytes(), state.as_bytes(), uri.to_string().as_bytes(), accepted].join(&0);
    let tag = format!("W/\"{}\"", &Digest::of(&parts).hex()[..32]);
    let names = |value: &HeaderValue| {
        value.to_str().is_ok_and(|tags| tags.split(',').any(|of| of.trim() == tag || of.trim() == "*"))
    };
    let Ok(value) = HeaderValue::from_str(&tag) else { return next.run(request).await };
    if request.headers().get_all(IF_NONE_MATCH).iter().any(names) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, value)]).into_response();
    }
    let mut response = next.run(request).await;
    if response.status() == StatusCode::OK {
        response.headers_mut().insert(ETAG, value);
    }
    response
}
