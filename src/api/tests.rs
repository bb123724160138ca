//! Tests requests that every process answers alike, with stand-ins for the process behind the API.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::declare::Manifest;
use crate::log::SharedLog;
use crate::log::memory::{Faults, MemoryLog};
use crate::query::answer::PartitionStatus;
use crate::view::{Snapshot, View};

/// Answers from an index without images.
struct Empty {
    view: Arc<View>,
    log: SharedLog,
}

impl Ask for Empty {
    fn past(&self, _: crate::oci::Timestamp) -> Result<Snapshot, ApiError> {
        Ok(self.snapshot())
    }

    fn snapshot(&self) -> Snapshot {
        self.view.snapshot()
    }

    fn partitions(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn log(&self) -> &SharedLog {
        &self.log
    }
}

fn empty() -> Api {
    let log: SharedLog = Arc::new(MemoryLog::new(1, Faults::none()));
    let ask = Empty { view: Arc::new(View::new(1)), log };
    Api { ask: Some(Arc::new(ask)), ..publisher() }
}

/// Accepts no declaration, and should never receive one.
struct Refusing;

impl Declare for Refusing {
    fn apply(&self, manifests: Vec<Manifest>) -> Result<Vec<Applied>, ApiError> {
        panic!("a refused request reached the publisher: {manifests:?}")
    }

    fn delete(&self, kind: Kind, name: String) -> Result<Applied, ApiError> {
        panic!("a refused request reached the publisher: {kind:?} {name}")
    }
}

async fn asked(api: &Api, method: &str, path: &str, body: &str) -> (u16, Problem) {
    let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router(api).oneshot(request).await.unwrap();
    let (status, body) = (response.status().as_u16(), response.into_body());
    (status, serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap())
}

fn publisher() -> Api {
    Api { ask: None, command: None, declare: Ok(Arc::new(Refusing)), audit: None, access: Access::default() }
}

#[tokio::test]
async fn every_error_is_json_with_a_code_and_what_was_wrong() {
    let api = publisher();
    for (method, path, body, status, code, told) in [
        ("GET", "/v2/images", "", 404, "no-such-path", "there is no /v2/images"),
        ("GET", "/v1/apply", "", 405, "method-not-allowed", "Method Not Allowed"),
        ("POST", "/v1/apply", "[", 400, "invalid", "EOF"),
        ("POST", "/v1/apply", r#"[{"kind": "Pod"}]"#, 400, "invalid", "apiVersion"),
        ("DELETE", "/v1/classes", "", 400, "invalid", "name"),
        ("GET", "/v1/images", "", 400, "invalid", "only publishes"),
    ] {
        let (answered, Problem { detail, code: given, .. }) = asked(&api, method, path, body).await;
        assert_eq!((answered, given.as_str()), (status, code), "{method} {path}: {detail}");
        assert!(detail.contains(told), "{method} {path}: {detail}");
        assert!(CODES.contains(&code), "{code}");
    }
}

#[tokio::test]
async fn a_process_that_takes_no_declarations_says_who_does() {
    let api = Api { declare: Err("ask the other one"), ..publisher() };
    for (method, path) in
        [("POST", "/v1/apply"), ("DELETE", "/v1/classes?name=a"), ("DELETE", "/v1/groups?name=a")]
    {
        let (status, told) = asked(&api, method, path, "[]").await;
        assert_eq!((status, told.detail.as_str()), (400, "ask the other one"), "{method} {path}");
    }
}

#[tokio::test]
async fn a_log_that_is_no_file_is_not_copied_and_the_answer_says_who_does_that() {
    let (status, told) = asked(&empty(), "POST", "/v1/backup", "").await;
    assert_eq!((status, told.code.as_str()), (400, "invalid"), "{}", told.detail);
    assert!(told.detail.contains("MirrorMaker"), "{}", told.detail);
}

#[tokio::test]
async fn a_parameter_that_is_not_understood_is_refused() {
    let api = empty();
    for path in [
        "/v1/images?clas=x",
        "/v1/tags?stat=outdated",
        "/v1/classes?class=x",
        "/v1/groups?class=x",
        "/v1/ancestors?ref=a&deep=1",
        "/v1/descendants?ref=a&deep=1",
        "/v1/explain?ref=a&platform=linux",
        "/v1/usage?class=x&namespace=y",
        "/v1/subscribe/outdated?form=now",
    ] {
        let (status, told) = asked(&api, "GET", path, "").await;
        assert_eq!((status, told.code.as_str()), (400, "invalid"), "{path}: {}", told.detail);
        assert!(told.detail.contains("unknown field"), "{path}: {}", told.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_without_events_sends_an_empty_line_now_and_then() {
    let request = Request::get("/v1/subscribe/catalog?follow=true").body(Body::empty()).unwrap();
    let mut body = router(&empty()).oneshot(request).await.unwrap().into_body();
    for _ in 0..2 {
        let begun = tokio::time::Instant::now();
        let line = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&*line, b"\n");
        assert!(begun.elapsed().as_secs() >= 30, "{:?}", begun.elapsed());
    }
}
