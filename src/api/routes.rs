//! The route table.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{MethodFilter, MethodRouter, delete, get, on, post};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::addresses::{self, Addresses};
use super::allowed::{Access, Guard, allowed};
use super::{
    Ask, Audited, Command, Declare, Router, audit, backup, conditional, error, openapi, position, read,
    rebuild, restored, stream, subscribe, write,
};
use crate::access::Need;
use crate::api::ApiError;

/// The process behind the API, with the parts that it has.
#[derive(Clone)]
pub struct Api {
    /// Answers queries; `None` in a process that only publishes.
    pub ask: Option<Arc<dyn Ask>>,
    /// Takes declarations, or the reason why this process takes none.
    pub declare: Result<Arc<dyn Declare>, &'static str>,
    /// Plans and rebuilds; only in a process that answers queries.
    pub command: Option<Arc<dyn Command>>,
    /// Reads the audit trail; only in a process that keeps one.
    pub audit: Option<Arc<dyn Audited>>,
    /// Who may use it.
    pub access: Access,
}

/// Bytes of a body that anybody may send: every connection may have one.
const SMALL: usize = 256 << 10;

const ONLY_PUBLISHES: &str = "this clade only publishes: ask one that serves (clade serve), with --server";

const NO_TRAIL: &str = "this clade keeps no audit trail: `clade run --audit` does; that of `clade auditor` is read with `clade audit show`";

/// A route: path, method, the part of the process that handles it, and what a user needs for it.
struct Route(&'static str, MethodFilter, Handler, Need);

/// Handlers by the part of the process that they need.
enum Handler {
    Ask(fn() -> MethodRouter<Arc<dyn Ask>>),
    /// Answers while the log is still being read.
    AskAtOnce(fn() -> MethodRouter<Arc<dyn Ask>>),
    Declare(fn() -> MethodRouter<Arc<dyn Declare>>),
    Command(fn() -> MethodRouter<Arc<dyn Command>>),
    Audit(fn() -> MethodRouter<Arc<dyn Audited>>),
}

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const DELETE: MethodFilter = MethodFilter::DELETE;

const ROUTES: &[Route] = &[
    Route("/v1/images", GET, Handler::Ask(|| get(read::images)), Need::read("list", "images")),
    Route("/v1/tags", GET, Handler::Ask(|| get(read::tags)), Need::read("list", "tags")),
    Route("/v1/classes", GET, Handler::Ask(|| get(read::classes)), Need::read("list", "imageclasses")),
    Route("/v1/groups", GET, Handler::Ask(|| get(read::groups)), Need::read("list", "imageclassgroups")),
    Route("/v1/workloads", GET, Handler::Ask(|| get(read::workloads)), Need::read("list", "workloads")),
    Route("/v1/policies", GET, Handler::Ask(|| get(read::policies)), Need::read("list", "classpolicies")),
    Route(
        "/v1/verdict",
        POST,
        Handler::Ask(|| post(read::verdict).layer(DefaultBodyLimit::max(SMALL))),
        Need::read("get", "images"),
    ),
    Route(
        "/v1/workloads/verdicts",
        POST,
        Handler::Ask(|| post(read::workload_verdicts).layer(DefaultBodyLimit::max(SMALL))),
        Need::read("list", "workloads"),
    ),
    Route("/v1/ancestors", GET, Handler::Ask(|| get(read::ancestors)), Need::read("get", "images")),
    Route("/v1/descendants", GET, Handler::Ask(|| get(read::descendants)), Need::read("get", "images")),
    Route("/v1/explain", GET, Handler::Ask(|| get(read::explain)), Need::read("get", "images")),
    Route("/v1/resolve", GET, Handler::Ask(|| get(read::resolve)), Need::read("get", "images")),
    Route("/v1/suggestions", GET, Handler::Ask(|| get(read::suggestions)), Need::read("list", "images")),
    Route(
        "/v1/lookup",
        POST,
        Handler::Ask(|| post(read::lookup).layer(DefaultBodyLimit::max(SMALL))),
        Need::read("get", "images"),
    ),
    Route("/v1/images/{image}", GET, Handler::Ask(|| get(read::image)), Need::read("get", "images")),
    Route(
        "/v1/images/{image}/explain",
        GET,
        Handler::Ask(|| get(read::explain_image)),
        Need::read("get", "images"),
    ),
    Route(
        "/v1/images/{image}/ancestors",
        GET,
        Handler::Ask(|| get(read::ancestors_of_image)),
        Need::read("get", "images"),
    ),
    Route(
        "/v1/images/{image}/descendants",
        GET,
        Handler::Ask(|| get(read::descendants_of_image)),
        Need::read("get", "images"),
    ),
    Route(
        "/v1/images/{image}/equivalents",
        GET,
        Handler::Ask(|| get(read::equivalents_of_image)),
        Need::read("get", "images"),
    ),
    Route("/v1/chains/{chain}", GET, Handler::Ask(|| get(read::chain)), Need::read("get", "images")),
    Route("/v1/usage", GET, Handler::Ask(|| get(read::usage)), Need::read("list", "images")),
    Route("/v1/coverage", GET, Handler::Ask(|| get(read::coverage)), Need::read("list", "images")),
    Route("/v1/unknown-bases", GET, Handler::Ask(|| get(read::unknown_bases)), Need::read("list", "images")),
    Route("/v1/versions", GET, Handler::Ask(|| get(stream::versions)), Need::read("list", "imageclasses")),
    Route("/v1/lineage", GET, Handler::Ask(|| get(stream::lineage)), Need::read("list", "images")),
    Route(
        "/v1/subscribe/{topic}",
        GET,
        Handler::AskAtOnce(|| get(subscribe::subscribe)),
        Need::read("watch", "images"),
    ),
    Route("/v1/audit", GET, Handler::Audit(|| get(audit::audit)), Need::read("list", "auditentries")),
    Route("/v1/position", GET, Handler::Ask(|| get(position::position)), Need::read("watch", "images")),
    Route(
        "/v1/backup",
        POST,
        Handler::AskAtOnce(|| post(backup::backup)),
        Need::command("create", "backups"),
    ),
    Route(
        "/v1/apply",
        POST,
        Handler::Declare(|| post(write::apply)),
        Need::declare("update", "imageclasses"),
    ),
    Route(
        "/v1/classes",
        DELETE,
        Handler::Declare(|| delete(write::delete_class)),
        Need::declare("delete", "imageclasses"),
    ),
    Route(
        "/v1/groups",
        DELETE,
        Handler::Declare(|| delete(write::delete_group)),
        Need::declare("delete", "imageclassgroups"),
    ),
    Route(
        "/v1/policies",
        DELETE,
        Handler::Declare(|| delete(write::delete_policy)),
        Need::declare("delete", "classpolicies"),
    ),
    Route("/v1/rebuilds", GET, Handler::Command(|| get(rebuild::list)), Need::read("list", "rebuilds")),
    Route(
        "/v1/rebuilds/plan",
        POST,
        Handler::Command(|| post(rebuild::plan).layer(DefaultBodyLimit::max(SMALL))),
        Need::read("get", "rebuilds"),
    ),
    Route("/v1/rebuilds/{id}", GET, Handler::Command(|| get(rebuild::show)), Need::read("get", "rebuilds")),
    Route(
        "/v1/rebuilds",
        POST,
        Handler::Command(|| post(rebuild::start)),
        Need::command("create", "rebuilds"),
    ),
    Route(
        "/v1/rebuilds/{id}/pause",
        POST,
        Handler::Command(|| post(rebuild::pause)),
        Need::command("update", "rebuilds"),
    ),
    Route(
        "/v1/rebuilds/{id}/resume",
        POST,
        Handler::Command(|| post(rebuild::resume)),
        Need::command("update", "rebuilds"),
    ),
    Route(
        "/v1/rebuilds/{id}/cancel",
        POST,
        Handler::Command(|| post(rebuild::cancel)),
        Need::command("update", "rebuilds"),
    ),
];

/// The needs of all routes: the roles in `deploy/` give them to users.
#[cfg(feature = "internals")]
pub fn needs() -> impl Iterator<Item = Need> {
    ROUTES.iter().map(|Route(.., need)| *need).chain([super::probe::STATUS])
}

/// The routes of a process. A route whose part the process lacks names the process to use instead.
pub fn router(api: &Api) -> Router {
    let add = |router: Router, Route(path, method, handler, need): &Route| {
        let routes = match handler {
            Handler::Ask(routes) => api.ask.clone().map(|ask| {
                let conditional = from_fn_with_state(Arc::clone(&ask), conditional::conditional);
                after_reading(api, routes().with_state(ask).route_layer(conditional))
            }),
            Handler::AskAtOnce(routes) => api.ask.clone().map(|ask| routes().with_state(ask)),
            Handler::Command(routes) => {
                api.command.clone().map(|command| after_reading(api, routes().with_state(command)))
            }
            Handler::Audit(routes) => api.audit.clone().map(|audit| routes().with_state(audit)),
            Handler::Declare(routes) => api.declare.clone().ok().map(|declare| routes().with_state(declare)),
        };
        let refusal = match (&api.declare, handler) {
            (Err(reason), Handler::Declare(_)) => *reason,
            (_, Handler::Audit(_)) => NO_TRAIL,
            _ => ONLY_PUBLISHES,
        };
        let routes = match routes {
            None => on(*method, move || async move { ApiError::invalid(refusal) }),
            Some(routes) => {
                let guard = Guard { access: api.access.clone(), need: *need };
                routes.route_layer(from_fn_with_state(guard, allowed))
            }
        };
        router.route(path, routes)
    };
    let limited = from_fn_with_state(Arc::new(Addresses::new()), addresses::limited);
    let compressed =
        CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(is_worth_compressing);
    let described = Router::new()
        .route("/v1/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], DESCRIPTION.clone())));
    let routes = ROUTES.iter().fold(described, add).layer(limited).layer(compressed);
    routes.layer(map_response(error::as_problem)).fallback(error::no_path)
}

/// The description of the API, which is the same for everybody and always.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| openapi().to_string().into());

/// The path and method of every route.
#[cfg(test)]
pub(super) fn documented() -> std::collections::BTreeSet<(String, String)> {
    let method = |of: MethodFilter| {
        if of == GET {
            "GET"
        } else if of == POST {
            "POST"
        } else {
            "DELETE"
        }
    };
    ROUTES.iter().map(|Route(path, of, ..)| ((*path).to_owned(), method(*of).to_owned())).collect()
}

/// Streams are sent as they come: a compressor would hold them back.
fn is_worth_compressing(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    const LEAST: u64 = 1_024;
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|of| of == "application/json");
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    is_json && length.is_none_or(|length: u64| length >= LEAST)
}

/// The same routes, refused until the process has read the whole log once.
fn after_reading(api: &Api, routes: MethodRouter) -> MethodRouter {
    match &api.ask {
        Some(ask) => routes.route_layer(from_fn_with_state(Arc::clone(ask), restored::restored)),
        None => routes,
    }
}
