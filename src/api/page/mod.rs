//! The page: what the API answers, for people who would rather look than read.
//!
//! ```text
//!   browser ─► a view (overview, class, explain, tables and others) ─► API, in this process ─► JSON ─► HTML
//! ```
//!
//! Each view asks the API as any client does, with the rights of whoever looks, and uses nothing else: others could write
//! the same page. It is HTML that needs no script; `page.js` adds a key for the search, names that it suggests, a sign when
//! something has changed, and events as they come. Everything comes from this process, and the content policy allows nothing else.

mod admissions;
mod asking;
mod assets;
mod audit;
mod class;
mod compare;
mod csv;
mod explain;
mod frame;
mod lately;
mod letters;
mod listed;
mod look;
mod overview;
mod path;
mod plan;
mod policies;
mod rebuilds;
mod required;
mod running;
mod search;
mod stack;
mod tables;
mod text;
mod timeline;
mod tree;
mod verdicts;
mod waves;
mod words;
mod workloads;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use asking::Site;
use frame::View;

/// The routes of the page, in front of the API of this process, which may have an audit trail.
pub fn router(api: Router, has_trail: bool) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/classes/{class}", get(class::class))
        .route("/classes/{class}/usage.csv", get(class::usage))
        .route("/classes/{class}/rebuild", get(plan::plan))
        .route("/explain", get(explain::explain))
        .route("/tags", get(tables::tags))
        .route("/images", get(tables::images))
        .route("/workloads", get(workloads::workloads))
        .route("/workloads.csv", get(workloads::file))
        .route("/policies", get(policies::policies))
        .route("/rebuilds", get(rebuilds::rebuilds))
        .route("/rebuilds/{id}", get(rebuilds::rebuild))
        .route("/audit", get(audit::audit))
        .route("/admissions", get(admissions::admissions))
        .route("/dead-letters", get(letters::letters))
        .route("/compare", get(compare::compare))
        .route("/search", get(search::search))
        .with_state(Site { api, has_trail })
        .merge(assets::router())
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(map_response(frame::guarded))
}

type Shown = Result<View, frame::Failed>;
type Answer = Result<Response, frame::Failed>;
