//! Answers that a client reads as they come: lists as lines, watches, Server-Sent Events.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use clade::api::Router;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{api_of, ask, world};

#[tokio::test]
async fn a_list_as_lines_has_the_items_of_the_list() {
    let api = api_of(&world());
    for (path, expected) in
        [("/v1/images?class=rhel7", 26), ("/v1/tags", 26), ("/v1/classes", 1), ("/v1/images?limit=7", 7)]
    {
        let list = ask(&api, path, &[]).await.json();
        let lines = ask(&api, path, &[("accept", "application/x-ndjson")]).await;
        assert_eq!(lines.header(CONTENT_TYPE), "application/x-ndjson");
        let items: Vec<Value> = lines
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!((&json!(items), items.len()), (&list["items"], expected), "{path}");
    }
    let refused = ask(&api, "/v1/images?class=nope", &[("accept", "application/x-ndjson")]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

/// The events of a subscription until nothing comes any more: their IDs and names.
async fn events(api: &Router, path: &str, last: Option<&str>) -> Vec<(String, String)> {
    let mut request = Request::get(path).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let (mut body, mut text) = (response.into_body(), String::new());
    let quiet = std::time::Duration::from_millis(700);
    while let Ok(Some(frame)) = tokio::time::timeout(quiet, body.frame()).await {
        text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
    }
    let field = |event: &str, name: &str| {
        event
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_default()
            .to_owned()
    };
    let all = text.split("\n\n").filter(|event| !event.trim_matches(':').is_empty());
    all.map(|event| (field(event, "id"), field(event, "event"))).collect()
}

#[tokio::test]
async fn server_sent_events_go_on_after_the_last_one_that_a_client_has() {
    let mut world = world();
    let api = api_of(&world);
    let path = "/v1/subscribe/classifications?class=rhel7";
    let first = events(&api, path, None).await;
    assert_eq!(first.len(), 26);
    assert!(first.iter().all(|(id, name)| !id.is_empty() && name == "classifications"), "{first:?}");
    let (middle, last) = (&first[9].0, &first[25].0);
    assert_eq!(events(&api, path, Some(middle)).await.len(), 16);
    assert_eq!(events(&api, path, Some(last)).await, []);
    world.images(&[("new", &["A", "B", "new"]), ("other", &["Z"])]).process();
    assert_eq!(events(&api, path, Some(last)).await.len(), 1);
    // The log was another one when the client got that ID.
    let reset = events(&api, path, Some("0:1000000")).await;
    assert_eq!(reset, [(String::new(), "reset".to_owned())]);
}

#[tokio::test]
async fn whoever_follows_the_position_hears_of_each_change_and_of_nothing_else() {
    let mut world = world();
    let api = api_of(&world);
    let path = "/v1/position";
    let before = ask(&api, path, &[]).await.json();
    let list = ask(&api, "/v1/images?limit=1", &[]).await.json();
    assert_eq!(before["resourceVersion"], list["metadata"]["resourceVersion"]);
    let request = Request::get(path).header("accept", "text/event-stream").body(Body::empty()).unwrap();
    let mut body = api.clone().oneshot(request).await.unwrap().into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_millis(1_500), body.frame()).await;
        let data = frame.ok()?.unwrap().unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    };
    let told = |position: &Value| format!("event: change\ndata: {position}\n\n");
    assert!(next().await.unwrap().ends_with(&told(&before)));
    assert_eq!(next().await, None, "nothing has changed");
    world.images(&[("new", &["A", "B", "new"])]).process();
    let after = ask(&api, path, &[]).await.json();
    assert!(after["resourceVersion"] != before["resourceVersion"] && after["state"] != before["state"]);
    assert!(next().await.unwrap().ends_with(&told(&after)));
    assert_eq!(ask(&api, "/v1/position?from=0", &[]).await.status, StatusCode::BAD_REQUEST);
}

/// The lines of a watch until nothing comes any more.
async fn changes(body: &mut Body) -> Vec<(String, Value)> {
    let mut text = String::new();
    let quiet = std::time::Duration::from_millis(1_500);
    while let Ok(Some(frame)) = tokio::time::timeout(quiet, body.frame()).await {
        text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
    }
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let change = |line: Value| (line["type"].as_str().unwrap().to_owned(), line["object"].clone());
    text.lines().map(line).map(change).collect()
}

#[tokio::test]
async fn a_watch_has_the_list_and_then_each_change_so_that_it_leads_to_the_next_list() {
    let mut world = world();
    let api = api_of(&world);
    for path in ["/v1/images?class=rhel7", "/v1/tags?class=rhel7&state=current", "/v1/classes"] {
        let watch = format!("{path}{}watch=true", if path.contains('?') { "&" } else { "?" });
        let response = api.clone().oneshot(Request::get(&watch).body(Body::empty()).unwrap()).await.unwrap();
        let mut body = response.into_body();
        let mut followed = std::collections::BTreeMap::new();
        let name = |object: &Value| {
            let of = [&object["digest"], &object["name"], &object["metadata"]["name"]];
            let tag = if object["images"].is_array() {
                of[1]
            } else {
                of.into_iter().find(|name| name.is_string()).unwrap()
            };
            tag.as_str().unwrap().to_owned()
        };
        for round in 0..3 {
            let mut version = Value::Null;
            for (kind, object) in changes(&mut body).await {
                match kind.as_str() {
                    "ADDED" => assert!(followed.insert(name(&object), object).is_none(), "{path}"),
                    "MODIFIED" => assert!(followed.insert(name(&object), object).is_some(), "{path}"),
                    "DELETED" => assert!(followed.remove(&name(&object)).is_some(), "{path}"),
                    kind => {
                        assert_eq!(kind, "BOOKMARK");
                        version = object["metadata"]["resourceVersion"].clone();
                    }
                }
            }
            let list = ask(&api, path, &[]).await.json();
            assert_eq!(version, list["metadata"]["resourceVersion"], "{path}");
            let wanted = list["items"].as_array().unwrap().iter().map(|item| (name(item), item.clone()));
            assert_eq!(followed, wanted.collect(), "{path} {round}");
            // An image more, one less, a tag that moves, and in the end a new version.
            world.images(&[(&format!("more {path} {round}"), &["A", "B", "more"])]);
            world.see(crate::support::image_gone(&format!("app {}", 3 + round)));
            world.tag("app:01", &[&format!("app {}", 10 + round)]);
            if round == 1 {
                world.images(&[("base 2", &["A", "B", "2"])]).tag("base:1", &["base 2"]);
            }
            world.process();
        }
    }
    for path in ["/v1/images?watch=true&limit=3", "/v1/images?watch=true&outdatedFor=1d"] {
        assert_eq!(ask(&api, path, &[]).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let refused = ask(&api, "/v1/images?watch=true&class=nope", &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_refused_with_those_that_do() {
    let refused = ask(&api_of(&world()), "/v1/subscribe/admissionz", &[]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let told = refused.json();
    let detail = told["detail"].as_str().unwrap();
    for topic in clade::record::Topic::ALL {
        assert!(detail.contains(topic.name()), "{detail}");
    }
}
