//! The HTTP API in front of an index: lists in pages, look-ups, conditional requests, problems, and its description.

mod clients;
mod page;
mod streams;
mod webhook;

use std::io::Read as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, Request, StatusCode};
use clade::api::{Access, Api, ApiError, Ask, Router, router};
use clade::log::SharedLog;
use clade::oci::{Digest, LayerChain, LayerIdentity, Timestamp};
use clade::query::answer::PartitionStatus;
use clade::view::{Snapshot, View};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{World, digest};

/// Answers from the view of a world.
struct Shown {
    view: Arc<View>,
    log: SharedLog,
}

impl Ask for Shown {
    fn snapshot(&self) -> Snapshot {
        self.view.snapshot()
    }

    fn past(&self, _: Timestamp) -> Result<Snapshot, ApiError> {
        Err(ApiError::too_long_ago("too long ago"))
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn log(&self) -> &SharedLog {
        &self.log
    }
}

struct Asked {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: impl axum::http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn api_of(world: &World) -> Router {
    api_with(world, Access::default())
}

fn api_with(world: &World, access: Access) -> Router {
    let shown = Shown { view: Arc::clone(&world.view), log: SharedLog::clone(&world.log) };
    router(&Api { ask: Some(Arc::new(shown)), declare: Err("not here"), command: None, audit: None, access })
}

async fn ask(api: &Router, path: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(api, request.body(Body::empty()).unwrap()).await
}

async fn answer(api: &Router, request: Request<Body>) -> Asked {
    let response = api.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Asked { status: parts.status, headers: parts.headers, body }
}

/// A base with a class, and 25 images on it.
fn world() -> World {
    let mut world = World::new();
    world.images(&[("base", &["A", "B"])]).tag("base:1", &["base"]).class("rhel7", "base:1");
    for number in 0..25 {
        world.images(&[(&format!("app {number}"), &["A", "B", &format!("own {number}")])]);
        world.tag(&format!("app:{number:02}"), &[&format!("app {number}")]);
    }
    world.process();
    world
}

fn digests(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["digest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_goes_on_from_page_to_page_and_says_how_much_follows() {
    let mut world = world();
    let api = api_of(&world);
    for path in [
        "/v1/images?class=rhel7",
        "/v1/images?sort=created",
        "/v1/tags?state=current",
        "/v1/descendants?ref=base:1",
    ] {
        let whole = ask(&api, path, &[]).await.json();
        assert!(whole["metadata"]["continue"].is_null(), "{path}");
        let (mut items, mut token) = (Vec::new(), String::new());
        let first = ask(&api, &format!("{path}{}limit=4", if path.contains('?') { "&" } else { "?" }), &[])
            .await
            .json();
        let version = first["metadata"]["resourceVersion"].clone();
        loop {
            let separator = if token.is_empty() { String::new() } else { format!("&continue={token}") };
            let page = ask(&api, &format!("{path}&limit=4{separator}"), &[]).await.json();
            items.extend(digests(&page));
            assert_eq!(page["metadata"]["resourceVersion"], version, "{path}");
            let Some(next) = page["metadata"]["continue"].as_str() else { break };
            let follow = page["metadata"]["remainingItemCount"].as_u64().unwrap();
            assert_eq!(items.len() as u64 + follow, digests(&whole).len() as u64, "{path}");
            token = next.to_owned();
            // Something else changes meanwhile: the position of the list stays that of its first page.
            world.images(&[(&format!("other {}", items.len()), &["Z"])]).process();
        }
        let of_others = |digest: &String| digests(&whole).contains(digest);
        items.retain(of_others);
        assert_eq!(items, digests(&whole), "{path}");
    }
}

#[tokio::test]
async fn names_that_begin_as_it_is_typed_are_suggested() {
    let mut world = world();
    for tag in ["quay.io/shop/api:1", "quay.io/shop/api:2", "quay.io/shop/apis:1", "rhea/api:3"] {
        world.tag(tag, &["app 1"]);
    }
    // More than are suggested, all of which stand before the tags of the shorter name.
    for number in 0..12 {
        world.tag(&format!("web-{number:02}:1"), &["app 1"]);
    }
    world.tag("web:9", &["app 1"]);
    world.process();
    let api = api_of(&world);
    let image = digest("app 1").to_string();
    for (typed, wanted) in [
        ("rhe", vec!["class rhel7", "repository rhea/api"]),
        // Those that begin so come before those of which a part does.
        (
            "ap",
            vec![
                "repository app",
                "repository quay.io/shop/api",
                "repository quay.io/shop/apis",
                "repository rhea/api",
            ],
        ),
        ("shop/api", vec!["repository quay.io/shop/api", "repository quay.io/shop/apis"]),
        ("api:", vec!["tag quay.io/shop/api:1", "tag quay.io/shop/api:2", "tag rhea/api:3"]),
        ("quay.io/shop/api:2", vec!["tag quay.io/shop/api:2"]),
        ("web:", vec!["tag web:9"]),
        ("web-1", vec!["repository web-10", "repository web-11"]),
        (&image[..19], vec![&*format!("image {image}")]),
        (&image[7..15], vec![&*format!("image {image}")]),
        ("nobody", vec![]),
        ("", vec![]),
        (" ", vec![]),
    ] {
        let path = format!("/v1/suggestions?{}", serde_urlencoded::to_string([("q", typed)]).unwrap());
        let found = ask(&api, &path, &[]).await.json();
        let named =
            |item: &Value| format!("{} {}", item["kind"].as_str().unwrap(), item["name"].as_str().unwrap());
        let found: Vec<String> = found["items"].as_array().unwrap().iter().map(named).collect();
        assert_eq!(found, wanted, "{typed}");
    }
    let web = ask(&api, "/v1/suggestions?q=web", &[]).await.json();
    assert_eq!((web["items"][0]["name"].as_str(), web["items"].as_array().unwrap().len()), (Some("web"), 8));
    // Few of very many, whatever is typed.
    let many = ask(&api, "/v1/suggestions?q=app:", &[]).await.json();
    assert_eq!(many["items"].as_array().unwrap().len(), 8);
    assert_eq!(ask(&api, "/v1/suggestions", &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_list_of_the_relatives_of_a_tag_does_not_go_on_once_the_tag_has_moved() {
    let mut world = world();
    let api = api_of(&world);
    let first = ask(&api, "/v1/descendants?ref=base:1&limit=5", &[]).await.json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let next = format!("/v1/descendants?ref=base:1&limit=5&continue={token}");
    assert_eq!(ask(&api, &next, &[]).await.status, StatusCode::OK);
    world.images(&[("base 2", &["A"])]).tag("base:1", &["base 2"]).process();
    let moved = ask(&api, &next, &[]).await;
    assert_eq!((moved.status, &moved.json()["code"]), (StatusCode::GONE, &json!("expired")));
}

#[tokio::test]
async fn what_a_list_does_not_understand_is_refused_with_what_to_do() {
    let api = api_of(&world());
    let token = ask(&api, "/v1/images?limit=2", &[]).await.json()["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    let (rest, last) = token.split_at(token.len() - 1);
    let forged = format!("{rest}{}", if last == "x" { "w" } else { "x" });
    for (path, told) in [
        ("/v1/images?limit=0".to_owned(), "at least 1"),
        ("/v1/images?limit=-1".to_owned(), "invalid digit"),
        ("/v1/images?limit=99999999999999999999999".to_owned(), "limit"),
        ("/v1/images?sort=size".to_owned(), "unknown variant"),
        ("/v1/images?state=old".to_owned(), "unknown variant"),
        ("/v1/images?tagged=perhaps".to_owned(), "tagged"),
        ("/v1/images?createdAfter=yesterday".to_owned(), "write a time"),
        ("/v1/images?outdatedFor=2026-01-01T00:00:00Z".to_owned(), "span of time"),
        ("/v1/images?repository=a*b".to_owned(), "a single *"),
        ("/v1/images?name=x".to_owned(), "unknown field"),
        ("/v1/images?ref=x".to_owned(), "unknown field"),
        ("/v1/classes?class=x".to_owned(), "unknown field"),
        ("/v1/tags?sort=created".to_owned(), "unknown field"),
        ("/v1/descendants?class=rhel7".to_owned(), "missing field `ref`"),
        (format!("/v1/images?limit=2&continue={forged}"), "no token of clade"),
        ("/v1/images?continue=%00".to_owned(), "no token of clade"),
        (format!("/v1/images?limit=2&state=current&continue={token}"), "another list"),
        (format!("/v1/tags?limit=2&continue={token}"), "another list"),
    ] {
        let refused = ask(&api, &path, &[]).await;
        let problem = refused.json();
        assert_eq!(
            (refused.status, refused.header(CONTENT_TYPE)),
            (StatusCode::BAD_REQUEST, "application/problem+json"),
            "{path}: {problem}"
        );
        assert_eq!(
            (&problem["status"], &problem["code"], &problem["title"]),
            (&json!(400), &json!("invalid"), &json!("Bad Request"))
        );
        assert!(problem["detail"].as_str().unwrap().contains(told), "{path}: {problem}");
    }
    let many = ask(&api, "/v1/images?limit=1000000000000", &[]).await.json();
    assert_eq!(digests(&many).len(), 26);
}

#[tokio::test]
async fn a_problem_names_what_may_have_been_meant() {
    let api = api_of(&world());
    let unknown = ask(&api, "/v1/images?class=rhle7", &[]).await;
    assert_eq!((unknown.status, &unknown.json()["suggestions"]), (StatusCode::NOT_FOUND, &json!(["rhel7"])));
    let mut prefixes = (0..25).map(|number| digest(&format!("app {number}")).hex()[..4].to_owned());
    assert_eq!(
        ask(&api, &format!("/v1/resolve?ref={}", prefixes.next().unwrap()), &[]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_answer_that_a_client_has_is_not_sent_again_until_something_changes() {
    let mut world = world();
    let api = api_of(&world);
    let first = ask(&api, "/v1/images?class=rhel7", &[]).await;
    let tag = first.header(ETAG).to_owned();
    let same = ask(&api, "/v1/images?class=rhel7", &[("if-none-match", &format!("\"other\", {tag}"))]).await;
    assert_eq!((same.status, same.body.len(), same.header(ETAG)), (StatusCode::NOT_MODIFIED, 0, &*tag));
    let other_question = ask(&api, "/v1/images", &[("if-none-match", &tag)]).await;
    assert_eq!(other_question.status, StatusCode::OK);
    world.images(&[("new", &["A", "B", "new"])]).process();
    let changed = ask(&api, "/v1/images?class=rhel7", &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, digests(&changed.json()).len()), (StatusCode::OK, 27));
    assert_ne!(changed.header(ETAG), tag);
    // A list that counts from now changes by itself.
    assert_eq!(ask(&api, "/v1/images?outdatedFor=1d", &[]).await.header(ETAG), "");
}

#[tokio::test]
async fn one_image_is_found_by_digest_and_beginning_and_has_its_relatives_below_it() {
    let api = api_of(&world());
    let (base, app) = (digest("base"), digest("app 3"));
    let item = ask(&api, &format!("/v1/images/{app}"), &[]).await.json();
    assert_eq!((&item["digest"], &item["tags"]), (&json!(app), &json!(["app:03"])));
    assert_eq!(ask(&api, &format!("/v1/images/{}", &app.hex()[..12]), &[]).await.json(), item);
    let explained = ask(&api, &format!("/v1/images/{app}/explain"), &[]).await.json();
    assert_eq!(explained["image"], item);
    let above = ask(&api, &format!("/v1/images/{app}/ancestors"), &[]).await.json();
    assert_eq!(digests(&above), [base.to_string()]);
    let below = ask(&api, &format!("/v1/images/{base}/descendants?limit=5"), &[]).await.json();
    assert_eq!((digests(&below).len(), &below["metadata"]["remainingItemCount"]), (5, &json!(20)));
    let equal = ask(&api, &format!("/v1/images/{base}/equivalents"), &[]).await.json();
    assert_eq!(digests(&equal), [] as [String; 0]);
    assert_eq!(
        ask(&api, &format!("/v1/images/{}", digest("nobody")), &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn direct_descendants_are_those_with_no_other_image_in_between_and_say_how_many_are_on_them() {
    let mut world = world();
    // Images with the same layers are as near, and a branch at which no image ends is none.
    world.images(&[("twin", &["A", "B", "own 3"]), ("leaf", &["A", "B", "own 3", "x"])]);
    world.images(&[("left", &["A", "B", "shared", "l"]), ("right", &["A", "B", "shared", "r"])]).process();
    let api = api_of(&world);
    let counts = |list: &Value| -> Vec<(String, u64)> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| (item["digest"].as_str().unwrap().to_owned(), item["descendants"].as_u64().unwrap()))
            .collect()
    };
    let direct = counts(&ask(&api, "/v1/descendants?ref=base:1&direct=true", &[]).await.json());
    assert_eq!(direct.len(), 28, "25, a twin, and two that share layers: {direct:?}");
    let of =
        |name: &str| direct.iter().find(|(of, _)| *of == digest(name).to_string()).map(|(_, count)| *count);
    assert_eq!([of("app 3"), of("twin"), of("app 4"), of("leaf")], [Some(1), Some(1), Some(0), None]);
    let below =
        ask(&api, &format!("/v1/images/{}/descendants?direct=true", digest("app 3")), &[]).await.json();
    assert_eq!(counts(&below), [(digest("leaf").to_string(), 0)]);
    let all = ask(&api, "/v1/descendants?ref=base:1", &[]).await.json();
    assert!(all["items"].as_array().unwrap().len() == 29 && all["items"][0]["descendants"].is_null());
    // From page to page, and of a chain at which nothing ends.
    let first = ask(&api, "/v1/descendants?ref=base:1&direct=true&limit=20", &[]).await.json();
    assert_eq!((digests(&first).len(), &first["metadata"]["remainingItemCount"]), (20, &json!(8)));
    let chain = LayerChain::new(LayerIdentity::Blob, [digest("A")].into_iter());
    let chain = chain.chain_ids().last().unwrap().digest().to_string();
    let of_chain = ask(&api, &format!("/v1/descendants?ref={chain}&direct=true"), &[]).await.json();
    assert_eq!(counts(&of_chain), [(digest("base").to_string(), 29)]);
    assert_eq!(ask(&api, "/v1/images?direct=true", &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_chain_says_what_ends_there_and_what_contains_it() {
    let api = api_of(&world());
    let chain_of = |layers: &[&str]| {
        let chain = LayerChain::new(LayerIdentity::Blob, layers.iter().map(|layer| digest(layer)));
        chain.chain_ids().last().unwrap().digest().to_string()
    };
    let whole = ask(&api, &format!("/v1/chains/{}", chain_of(&["A", "B"])), &[]).await.json();
    assert_eq!(
        (&whole["layers"], &whole["containing"], &whole["classes"]),
        (&json!(2), &json!(26), &json!(["rhel7"]))
    );
    assert_eq!(whole["images"][0]["digest"], json!(digest("base")));
    let inside = ask(&api, &format!("/v1/chains/{}", chain_of(&["A"])), &[]).await.json();
    assert_eq!(
        (&inside["layers"], &inside["containing"], &inside["images"]),
        (&json!(1), &json!(26), &json!([]))
    );
    let resolved = ask(&api, &format!("/v1/resolve?ref={}", chain_of(&["A"])), &[]).await.json();
    assert_eq!(resolved["chain"], json!({ "layers": 1, "images": 26 }));
    for nonsense in ["x", "sha256:ab"] {
        assert_eq!(ask(&api, &format!("/v1/chains/{nonsense}"), &[]).await.status, StatusCode::BAD_REQUEST);
    }
    let nobodys = Digest::of(b"nobody's");
    assert_eq!(ask(&api, &format!("/v1/chains/{nobodys}"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn many_refs_are_looked_up_at_once_and_each_has_an_answer() {
    let api = api_of(&world());
    let look_up = async |refs: Value| {
        let request = Request::post("/v1/lookup").header(CONTENT_TYPE, "application/json");
        answer(&api, request.body(Body::from(json!({ "refs": refs }).to_string())).unwrap()).await
    };
    let found = look_up(json!([digest("base"), "app:07", "nope:1"])).await.json();
    let items = found["items"].as_array().unwrap();
    assert_eq!(items[0]["images"][0]["digest"], json!(digest("base")));
    assert_eq!(
        (&items[1]["ref"], &items[1]["images"][0]["digest"]),
        (&json!("app:07"), &json!(digest("app 7")))
    );
    assert_eq!((&items[2]["ref"], &items[2]["problem"]["status"]), (&json!("nope:1"), &json!(404)));
    assert_eq!(look_up(json!(vec!["x"; 1_001])).await.status, StatusCode::BAD_REQUEST);
    // An image ID may be that of many images, and an image may have many tags.
    let many = look_up(json!(["sha256:ab", digest("nobody")])).await.json();
    assert!(many["items"].as_array().unwrap().iter().all(|item| item["problem"]["status"] == 404), "{many}");
}

#[tokio::test]
async fn a_client_that_can_has_large_answers_compressed() {
    let api = api_of(&world());
    let plain = ask(&api, "/v1/images", &[]).await;
    let packed = ask(&api, "/v1/images", &[("accept-encoding", "gzip")]).await;
    let varies: Vec<&str> = packed.headers.get_all(VARY).iter().map(|of| of.to_str().unwrap()).collect();
    assert_eq!((packed.header(CONTENT_ENCODING), varies), ("gzip", vec!["accept", "accept-encoding"]));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body && packed.body.len() < plain.body.len() / 3);
    let packed = ask(&api, "/v1/images", &[("accept-encoding", "zstd")]).await;
    assert_eq!(packed.header(CONTENT_ENCODING), "zstd");
    let lines = [("accept-encoding", "gzip"), ("accept", "application/x-ndjson")];
    assert_eq!(
        ask(&api, "/v1/images", &lines).await.header(CONTENT_ENCODING),
        "",
        "lines are sent as they come"
    );
}

#[tokio::test]
async fn the_description_of_the_api_is_served_and_is_the_one_in_the_documents() {
    let served = ask(&api_of(&World::new()), "/v1/openapi.json", &[]).await.json();
    let written = serde_json::to_string_pretty(&served).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/openapi.json");
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    let documented = std::fs::read_to_string(path).unwrap();
    assert!(
        documented == written,
        "`CLADE_BLESS=1 cargo test --test it api` writes it anew; `git diff` shows the changes"
    );
}
