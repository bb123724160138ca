//! The views of plans and rebuilds.

use std::sync::Arc;

use axum::http::StatusCode;
use clade::api::{Access, Api, ApiError, Command, Router, page, router};
use clade::plan::Plan;
use clade::query::Query;
use clade::rebuilder::{Change, RebuildItem};
use clade::record::BuildConfigRecord;
use clade::record::rebuild::RebuildRequest;
use clade::view::View;
use serde_json::{Value, json};

use super::{HOSTILE, shown, world};
use crate::api::Shown;
use crate::support::World;

/// Plans from a view and these BuildConfigs, and has these rebuilds.
pub(super) struct Planner {
    view: Arc<View>,
    build_configs: Vec<BuildConfigRecord>,
    rebuilds: Vec<RebuildItem>,
}

impl Command for Planner {
    fn plan(&self, request: RebuildRequest) -> Result<Plan, ApiError> {
        Query::new(self.view.snapshot()).plan(request, &self.build_configs).map_err(ApiError::from)
    }

    fn start(&self, _: RebuildRequest) -> Result<RebuildItem, ApiError> {
        Err(ApiError::invalid("not here"))
    }

    fn list(&self) -> Result<Vec<RebuildItem>, ApiError> {
        let without = |of: &RebuildItem| RebuildItem { items: Vec::new(), ..of.clone() };
        Ok(self.rebuilds.iter().map(without).collect())
    }

    fn get(&self, id: &str) -> Result<RebuildItem, ApiError> {
        let found = self.rebuilds.iter().find(|of| of.record.id == id);
        found.cloned().ok_or_else(|| ApiError::not_found(format!("there is no rebuild {id:?}")))
    }

    fn change(&self, _: &str, _: Change, _: Option<&str>) -> Result<RebuildItem, ApiError> {
        Err(ApiError::invalid("not here"))
    }
}

/// The page of a process that has these BuildConfigs and rebuilds.
pub(super) fn page_with(world: &World, build_configs: &[Value], rebuilds: &[Value]) -> Router {
    let read = |of: &Value| serde_json::from_value(of.clone()).unwrap();
    let planner = Planner {
        view: Arc::clone(&world.view),
        build_configs: build_configs.iter().map(read).collect(),
        rebuilds: rebuilds.iter().map(|of| serde_json::from_value(of.clone()).unwrap()).collect(),
    };
    let asked = Shown { view: Arc::clone(&world.view), log: Arc::clone(&world.log) };
    let api = router(&Api {
        ask: Some(Arc::new(asked)),
        declare: Err("not here"),
        command: Some(Arc::new(planner)),
        audit: None,
        access: Access::default(),
    });
    page(api.clone(), false).merge(api)
}

fn target(name: &str, wave: u32, state: &str, message: &str) -> Value {
    json!({
        "rebuild": "rhel7-1", "target": {"buildConfig": {"namespace": "shop", "name": name}}, "sequence": 1, "wave": wave,
        "action": "Build", "reason": {"input": "base:1", "message": HOSTILE}, "state": state, "message": message,
    })
}

/// A rebuild with two waves, in which one target failed, one was built, one waits, and one could not be planned.
pub(super) fn rebuild(number: u64) -> Value {
    json!({
        "id": format!("rhel7-{number}"), "number": number, "sequence": 1,
        "request": {"class": "rhel7", "reason": "CVE-2016-5195", "requestedBy": HOSTILE},
        "basis": {"generation": 1, "revision": 1}, "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z",
        "state": "Running", "message": "", "waves": 2, "targets": 4,
        "progress": {"waiting": 1, "running": 0, "succeeded": 1, "failed": 1, "skipped": 1},
        "items": [
            target("first", 1, "Succeeded", ""), target("second", 1, "Failed", "exit status 1"),
            target("third", 2, "Waiting", ""), target("egg", 0, "Skipped", "a cycle"),
        ],
    })
}

/// An application on the base, and a site on the application.
fn build_configs() -> Vec<Value> {
    let stream = |name: &str| json!({"kind": "ImageStreamTag", "namespace": "shop", "name": name});
    let config = |name: &str, builder: Value| {
        json!({
            "namespace": "shop", "name": name, "sequence": 1, "builder": builder,
            "output": stream(&format!("{name}:latest")),
        })
    };
    vec![
        config("app", json!({"kind": "DockerImage", "name": "base:1"})),
        config("site", stream("app:latest")),
    ]
}

#[tokio::test]
async fn what_a_rebuild_would_do_is_drawn_as_waves_with_the_reasons() {
    let mut world = world();
    world.images(&[("site", &["A", "C", "S"])]).tag("shop/site:latest", &["site"]).query_of_workloads();
    let page = page_with(&world, &build_configs(), &[]);
    let (_, class) = shown(&page, "/classes/rhel7").await;
    assert!(class.contains("href=\"/classes/rhel7/rebuild\""), "{class}");
    let (status, plan) = shown(&page, "/classes/rhel7/rebuild").await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    let waves: Vec<&str> = plan.split("Wave ").skip(1).collect();
    assert!(waves.len() == 2 && waves[0].contains("shop/app") && waves[1].contains("shop/site"), "{plan}");
    assert!(waves[0].contains("its image is on an earlier version of rhel7"), "{plan}");
    assert!(waves[1].contains("after ") && plan.contains("clade rebuild --class rhel7"), "{plan}");
    let (_, odd) = shown(&page, "/classes/empty/rebuild").await;
    assert!(odd.contains("A rebuild would build nothing"), "{odd}");
}

#[tokio::test]
async fn a_rebuild_stands_there_with_its_waves_and_the_state_of_each_target() {
    let page = page_with(&world(), &[], &[rebuild(2), rebuild(1)]);
    let (_, list) = shown(&page, "/rebuilds").await;
    assert!(list.contains("href=\"/rebuilds/rhel7-2\"") && list.contains("Running"), "{list}");
    assert!(list.contains("&lt;script&gt;alert"), "whoever asked for it chose the name");
    let (_, one) = shown(&page, "/rebuilds/rhel7-1").await;
    let waves: Vec<&str> = one.split("Wave ").skip(1).collect();
    assert!(waves.len() == 2 && waves[1].contains("shop/third"), "{one}");
    let (failed, built) = (waves[0].find("shop/second").unwrap(), waves[0].find("shop/first").unwrap());
    assert!(failed < built && waves[0].contains("exit status 1"), "what has failed comes first: {one}");
    assert!(one.contains("In no wave") && one.contains("a cycle") && one.contains("CVE-2016-5195"), "{one}");
}

#[tokio::test]
async fn a_long_list_of_rebuilds_comes_page_by_page_and_by_class_and_state() {
    let all: Vec<Value> = (1..=120).rev().map(rebuild).collect();
    let page = page_with(&world(), &[], &all);
    let (_, first) = shown(&page, "/rebuilds?class=rhel7&state=Running").await;
    assert!(first.contains("20 more") && !first.contains(">rhel7-20<"), "{first}");
    let next = super::links(&first).into_iter().find(|link| link.contains("continue=")).unwrap();
    let (_, second) = shown(&page, &next).await;
    assert!(second.contains(">rhel7-20<") && second.contains(">rhel7-1<") && !second.contains(">rhel7-21<"));
    let (_, none) = shown(&page, "/rebuilds?state=Finished").await;
    assert!(none.contains("Nothing meets these conditions"), "{none}");
}

#[tokio::test]
async fn without_rebuilds_the_view_says_what_to_do_and_refuses_what_it_does_not_know() {
    let page = page_with(&world(), &[], &[]);
    let (_, none) = shown(&page, "/rebuilds").await;
    assert!(none.contains("Nothing was rebuilt yet") && none.contains("clade rebuild --class"), "{none}");
    for (path, status, told) in [
        ("/rebuilds?clas=x", StatusCode::BAD_REQUEST, "clas"),
        ("/rebuilds?at=7d", StatusCode::BAD_REQUEST, "of the present"),
        ("/rebuilds?state=finishd", StatusCode::BAD_REQUEST, "Cancelled, Finished"),
        ("/rebuilds?continue=gone", StatusCode::BAD_REQUEST, "first page"),
        ("/rebuilds/nope", StatusCode::NOT_FOUND, "nope"),
        ("/rebuilds/nope?x=1", StatusCode::BAD_REQUEST, "`x`"),
        ("/classes/rhel8/rebuild", StatusCode::NOT_FOUND, "rhel8"),
        ("/classes/rhel7/rebuild?all=true", StatusCode::BAD_REQUEST, "all"),
    ] {
        let (refused, body) = shown(&page, path).await;
        assert!(refused == status && body.contains(told), "{path}: {refused} {body}");
    }
}
