//! The page in front of the API: every link of it leads somewhere, and no name does more than look odd.

mod lately;
mod policies;
mod rebuilds;
mod relatives;
mod running;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Request, StatusCode};
use clade::access::TokenFile;
use clade::api::{Access, Router, page};
use clade::observe::Observation;
use clade::oci::Digest;
use clade::record::{RunningImage, RunningKind, WorkloadImage};

use super::{answer, api_with, ask};
use crate::support::{World, digest, workload};

/// A repository of somebody who tries what a name can do.
const HOSTILE: &str = "<script>alert(1)</script>\"'&/\u{202e}app";

fn page_of(world: &World) -> Router {
    rebuilds::page_with(world, &[], &[rebuilds::rebuild(1)])
}

/// Two classes, images on old and new versions of them, and names of strangers.
fn world() -> World {
    let mut world = World::new();
    world.images(&[("v1", &["A"]), ("v2", &["A", "B"]), ("app", &["A", "C"]), ("odd", &["A", "D"])]);
    world.tag("base:1", &["v1"]).class("rhel7", "base:1").class("empty", "nobody:1");
    world.tag("shop/app:latest", &["app"]).tag(&format!("{HOSTILE}:1"), &["odd"]).tag("base:1", &["v2"]);
    for number in 0..130 {
        let name = format!("more {number}");
        world.images(&[(&name, &["A", "B", &name])]);
    }
    for (name, of) in [("app", "app"), ("unseen", "nobody's")] {
        world.see(Observation::Workload(Box::new(workload(
            "shop",
            name,
            vec![running("shop/app:latest", of)],
        ))));
    }
    world.query_of_workloads();
    world
}

/// An image of a workload that runs.
fn running(asked: &str, of: &str) -> WorkloadImage {
    WorkloadImage {
        asked: asked.to_owned(),
        running: Some(RunningImage { digest: digest(of), kind: RunningKind::Digest }),
        platform: None,
        pods: 1,
        since: None,
    }
}

async fn shown(page: &Router, path: &str) -> (StatusCode, String) {
    let asked = ask(page, path, &[]).await;
    let kind = asked.header(CONTENT_TYPE).to_owned();
    assert!(asked.header(CONTENT_SECURITY_POLICY).contains("default-src 'none'"), "{path}");
    if asked.status == StatusCode::SEE_OTHER {
        return (asked.status, format!("href=\"{}\"", asked.header(LOCATION).replace('&', "&amp;")));
    }
    let body = String::from_utf8(asked.body).unwrap();
    if kind.starts_with("text/html") {
        for never in ["<script>alert", " style=", " onclick", "javascript:"] {
            assert!(!body.contains(never), "{path} has {never}");
        }
    }
    (asked.status, body)
}

/// A request from another machine, with this token.
async fn from_elsewhere(page: &Router, token: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get("/").header(HOST, "clade.example.com");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([203, 0, 113, 9], 4_000))));
    let asked = answer(page, request).await;
    (asked.status, asked.headers, String::from_utf8(asked.body).unwrap())
}

#[tokio::test]
async fn the_page_shows_what_the_token_of_whoever_looks_may_read() {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    let line = |name: &str, scope: &str| format!("{name} {} {scope}\n", Digest::of(name.as_bytes()));
    std::fs::write(tokens.path(), line("reader", "read") + &line("commander", "command")).unwrap();
    let authority = TokenFile::open(tokens.path().to_owned()).unwrap();
    let api = api_with(&world(), Access(Some(Arc::new(authority))));
    let page = page(api.clone(), false).merge(api);
    let (status, _, body) = from_elsewhere(&page, Some("reader")).await;
    assert!(status == StatusCode::OK && body.contains("rhel7"), "{status} {body}");
    for (token, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("invented"), StatusCode::UNAUTHORIZED),
        (Some("commander"), StatusCode::FORBIDDEN),
    ] {
        let (status, headers, body) = from_elsewhere(&page, token).await;
        assert!(status == expected && !body.contains("rhel7"), "{token:?}: {status} {body}");
        assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == StatusCode::UNAUTHORIZED);
    }
}

/// The addresses of a view, as a browser reads them.
fn links(html: &str) -> Vec<String> {
    let values = ["href=\"", "src=\""].into_iter().flat_map(|attribute| html.split(attribute).skip(1));
    let values = values.filter_map(|rest| rest.split('"').next()).map(|link| link.replace("&amp;", "&"));
    values.filter(|link| link.starts_with('/')).collect()
}

#[tokio::test]
async fn every_link_of_the_page_leads_to_a_view_that_is_there() {
    let mut world = world();
    policies::policy(&mut world, "current-only", "rhel7");
    world.query_of_workloads();
    let page = page_of(&world);
    let mut known = BTreeSet::from(["/".to_owned()]);
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut views = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        let (status, body) = shown(&page, &path).await;
        assert!(matches!(status, StatusCode::OK | StatusCode::SEE_OTHER), "{path}: {status} {body}");
        // A browser takes the first of two, and says nothing.
        let classes = |element: &str| element.split('>').next().unwrap().matches(" class=").count();
        assert!(body.split('<').all(|element| classes(element) < 2), "{path}: {body}");
        for table in body.split("<table>").skip(1) {
            let cells = |part: &str, cell: &str| part.split("</tr>").next().unwrap().matches(cell).count();
            let (head, rows) = table.split_once("<tbody>").unwrap();
            let (columns, row) = (cells(head, "<th"), cells(rows, "<td"));
            // The row of the head counts itself: <thead> begins as <th.
            assert!(row == 0 || columns == row + 1, "{path}: {columns} heads, {row} cells");
        }
        views.insert(path.split(['?', '%']).next().unwrap().to_owned());
        waiting.extend(links(&body).into_iter().filter(|link| known.insert(link.clone())));
    }
    for view in [
        "/classes/rhel7",
        "/classes/rhel7/usage.csv",
        "/classes/rhel7/rebuild",
        "/explain",
        "/images",
        "/tags",
        "/workloads",
        "/workloads.csv",
        "/policies",
        "/rebuilds",
        "/rebuilds/rhel7-1",
        "/assets/page.css",
    ] {
        assert!(views.contains(view), "{view} is reached: {views:?}");
    }
    let pages = known.iter().filter(|path| path.contains("continue=")).count();
    assert!(pages >= 1, "a table goes on");
}

#[tokio::test]
async fn the_overview_names_each_class_and_says_how_many_are_outdated() {
    let page = page_of(&world());
    let (_, overview) = shown(&page, "/").await;
    assert!(overview.contains("href=\"/classes/rhel7\"") && overview.contains("class=\"timeline\""));
    assert!(overview.contains("no tag nobody:1 has been seen yet"), "what is wrong with a class is told");
    let (_, empty) = shown(&page_of(World::new().process()), "/").await;
    assert!(empty.contains("There is no class yet") && empty.contains("clade apply -f -"));
}

#[tokio::test]
async fn an_image_is_a_stack_with_each_base_at_its_depth() {
    let page = page_of(&world());
    let (_, image) = shown(&page, "/explain?ref=shop/app:latest").await;
    let stack = image.split("class=\"stack\"").nth(1).unwrap().split("</ol>").next().unwrap();
    let layers: Vec<&str> = stack.split("<li").skip(1).collect();
    assert!(layers.len() == 2 && layers[0].contains("this image"), "the base is at the bottom");
    assert!(layers[1].contains("old") && layers[1].contains("href=\"/classes/rhel7\""), "{}", layers[1]);
    assert!(image.contains("1 version behind"), "{image}");
}

#[tokio::test]
async fn a_search_leads_to_what_it_names_or_to_what_may_be_meant() {
    let page = page_of(&world());
    for (asked, there) in [("rhel7", "/classes/rhel7"), ("shop/app:latest", "/explain?ref=shop")] {
        let found = ask(&page, &format!("/search?q={asked}"), &[]).await;
        assert!(found.status == StatusCode::SEE_OTHER && found.header(LOCATION).starts_with(there));
    }
    let chain = digest("A");
    let found = ask(&page, &format!("/search?q={chain}"), &[]).await;
    assert!(found.header(LOCATION).starts_with("/images?ref="), "all images that contain the chain");
    let (_, images) = shown(&page, found.header(LOCATION)).await;
    assert!(images.contains("shop/app:latest"));
    assert_eq!(ask(&page, "/search?q=", &[]).await.header(LOCATION), "/");
    let (_, tags) = shown(&page, "/search?q=shop").await;
    assert!(tags.contains("shop/app:latest"), "{tags}");
    let (status, nothing) = shown(&page, "/search?q=sohp/app:latest").await;
    assert!(status == StatusCode::OK && nothing.contains("not found"), "{nothing}");
}

#[tokio::test]
async fn a_table_has_at_most_so_many_rows_and_keeps_what_its_form_does_not_show() {
    let page = page_of(&world());
    let (_, body) = shown(&page, "/images?limit=1000000&createdBefore=30d").await;
    assert!(body.contains(r#"<input type="hidden" name="createdBefore" value="30d">"#), "{body}");
    let (status, body) = shown(&page, "/images?limit=many").await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("limit"), "{body}");
}

#[tokio::test]
async fn a_name_of_a_stranger_does_nothing_but_look_odd() {
    let page = page_of(&world());
    let encoded = "%3Cscript%3Ealert(1)%3C/script%3E%22%27%26/%E2%80%AEapp:1";
    let paths = [
        "/tags".to_owned(),
        format!("/explain?ref={encoded}"),
        format!("/search?q={encoded}x"),
        "/?at=<script>alert".to_owned(),
    ];
    for path in paths {
        let (_, body) = shown(&page, &path.replace('<', "%3C").replace('>', "%3E")).await;
        assert!(body.contains("&lt;script&gt;alert"), "{path}: {body}");
    }
    let csv = ask(&page, "/classes/rhel7/usage.csv", &[]).await;
    assert_eq!(csv.header(CONTENT_TYPE), "text/csv; charset=utf-8");
    let row = "\"<script>alert(1)</script>\"\"'&/\u{202e}app\",0,0,1\n";
    let csv = String::from_utf8(csv.body).unwrap();
    assert!(csv.contains(row), "{csv}");
}

#[tokio::test]
async fn the_tag_of_a_view_changes_with_what_it_shows_and_not_with_time() {
    let mut world = world();
    let page = page_of(&world);
    let tag = async |page: &Router| ask(page, "/", &[]).await.header("etag").to_owned();
    let first = tag(&page).await;
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    assert_eq!(tag(&page).await, first);
    // Something that the view does not show.
    world.tag("elsewhere:1", &["more 1"]).process();
    assert_eq!(tag(&page).await, first);
    world.images(&[("new", &["A", "N"])]).process();
    assert_ne!(tag(&page).await, first);
}

#[tokio::test]
async fn a_parameter_that_no_view_has_is_refused_with_its_name() {
    let page = page_of(&world());
    let (status, body) = shown(&page, "/tags?clas=rhel7").await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("clas"), "{status} {body}");
    for (path, told) in
        [("/?x=1", "x"), ("/explain", "ref"), ("/search?p=1", "p"), ("/classes/rhel7?limit=1", "limit")]
    {
        let (status, body) = shown(&page, path).await;
        assert!(status == StatusCode::BAD_REQUEST && body.contains(&format!("`{told}`")), "{path}: {body}");
    }
    let (status, body) = shown(&page, "/classes/rhel8").await;
    assert!(status == StatusCode::NOT_FOUND && body.contains("rhel7"), "{status} {body}");
}
