//! Conditional requests: an answer has an `ETag`, and a client that has the answer already gets none.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Ask;
use super::read::params::LINES;
use super::subscribe::SERVER_SENT;
use crate::oci::Digest;
use crate::query::Query;

/// Parameters with which an answer changes while the index stays as it is, or is no answer but a stream.
const OF_THE_MOMENT: [&str; 6] = ["outdatedFor", "createdAfter", "createdBefore", "continue", "watch", "at"];

/// Returns `true` for a question whose answer depends on more than the index.
fn is_of_the_moment(uri: &Uri) -> bool {
    let parameters: Vec<(String, String)> =
        uri.query().and_then(|query| serde_urlencoded::from_str(query).ok()).unwrap_or_default();
    parameters.iter().any(|(name, _)| OF_THE_MOMENT.contains(&name.as_str()))
}

/// Answers 304 if the client names the tag of the present answer. The tag is that of the index before the answer is made: the
/// answer is at least as new, so no tag ever stands for something older than it names.
pub(super) async fn conditional(State(asked): State<Arc<dyn Ask>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let accepted = request.headers().get(ACCEPT).map_or(&[][..], HeaderValue::as_bytes);
    let is_stream = accepted.starts_with(LINES) || accepted.starts_with(SERVER_SENT.as_bytes());
    if request.method() != Method::GET || is_stream || is_of_the_moment(uri) {
        return next.run(request).await;
    }
    let state = Query::new(asked.snapshot()).state();
    let version = env!("CARGO_PKG_VERSION");
    let parts = [version.as_bytes(), state.as_bytes(), uri.to_string().as_bytes(), accepted].join(&0);
    let tag = format!("W/\"{}\"", &Digest::of(&parts).hex()[..32]);
    let names =
        |value: &HeaderValue| value.to_str().is_ok_and(|tags| tags.split(',').any(|of| of.trim() == tag));
    let Ok(value) = HeaderValue::from_str(&tag) else { return next.run(request).await };
    if request.headers().get_all(IF_NONE_MATCH).iter().any(names) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, value)]).into_response();
    }
    let mut response = next.run(request).await;
    if response.status() == StatusCode::OK {
        response.headers_mut().insert(ETAG, value);
        response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    }
    response
}
