//! The files of the page, all of them in the program.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// The router of the files. They change with the program alone.
pub(super) fn router() -> Router {
    let file = |kind: &'static str, content: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], content) })
    };
    Router::new()
        .route("/assets/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
        .route("/assets/page.js", file("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/assets/icon.svg", file("image/svg+xml", include_str!("icon.svg")))
}
