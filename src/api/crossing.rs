//! Refuses requests that change something and that a page of another site has a browser send.
//!
//! A page can send forms and simple requests to any address, also where it may not read the answer. A browser says in
//! `Sec-Fetch-Site` which site has asked, or, if it is old, in `Origin`; and no form is JSON. Programs send neither header.

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};

use super::error::ApiError;

/// Checks a request that changes something.
pub(super) fn check(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    if is_of_another_site(headers) {
        return Err(ApiError::forbidden(
            "a page of another site has this browser send what changes something: clade takes that from its own pages and \
             from programs alone",
        ));
    }
    match headers.get(CONTENT_TYPE) {
        Some(given) if !is_json(given.as_bytes()) => Err(ApiError::wrong_type(
            "what changes something is JSON: send it with the header Content-Type: application/json",
        )),
        _ => Ok(()),
    }
}

fn is_of_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    // `null` is the origin of a page that hides its own.
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    host.is_none() || host.map(str::as_bytes) != headers.get(HOST).map(HeaderValue::as_bytes)
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use axum::body::Body;
    use axum::response::IntoResponse as _;

    use super::*;

    fn status(headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::post("/").header(HOST, "127.0.0.1:7878");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = check(&request.body(Body::empty()).unwrap());
        checked.map_or_else(|error| error.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn what_a_page_of_another_site_sends_is_refused() {
        for (headers, expected) in [
            (&[][..], 200),
            (&[("sec-fetch-site", "same-origin")], 200),
            (&[("sec-fetch-site", "none")], 200),
            (&[("sec-fetch-site", "same-site")], 403),
            (&[("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:7878")], 403),
            (&[("origin", "http://127.0.0.1:7878")], 200),
            (&[("origin", "http://127.0.0.1:80")], 403),
            (&[("origin", "https://evil.example")], 403),
            (&[("origin", "null")], 403),
        ] {
            assert_eq!(status(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_changes_something_is_json_or_has_no_body() {
        for (content_type, expected) in [
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("multipart/form-data; boundary=application/json", 415),
        ] {
            assert_eq!(status(&[("content-type", content_type)]), expected, "{content_type}");
        }
    }
}
