//! The views of what runs.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use clade::observe::Observation;

use super::{HOSTILE, ask, page_of, running, shown, world};
use crate::support::{World, digest, workload};

#[tokio::test]
async fn what_runs_stands_in_a_table_with_its_images_and_states_and_what_clade_never_saw() {
    let page = page_of(&world());
    let (status, table) = shown(&page, "/workloads").await;
    assert_eq!(status, StatusCode::OK);
    for told in [">app<", "href=\"/classes/rhel7\"", "outdated", "never seen by clade"] {
        assert!(table.contains(told), "{told}: {table}");
    }
    let (_, outdated) = shown(&page, "/workloads?class=rhel7&state=outdated").await;
    assert!(outdated.contains(">app<") && !outdated.contains(">unseen<"), "{outdated}");
    let (_, unseen) = shown(&page, "/workloads?unknown=true").await;
    assert!(unseen.contains(">unseen<") && !unseen.contains(">app<"), "{unseen}");
    let (_, none) = shown(&page, "/workloads?namespace=nobody").await;
    assert!(none.contains("Nothing meets these conditions") && !none.contains("workloads.csv"), "{none}");
}

#[tokio::test]
async fn a_table_of_workloads_goes_on_from_page_to_page_and_is_a_file_as_well() {
    let page = page_of(&world());
    let (_, first) = shown(&page, "/workloads?limit=1").await;
    assert!(first.contains("rel=\"next\"") && first.contains(">app<") && !first.contains(">unseen<"));
    let file = ask(&page, "/workloads.csv?namespace=shop", &[]).await;
    assert_eq!(file.header(CONTENT_TYPE), "text/csv; charset=utf-8");
    let lines = String::from_utf8(file.body).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[1].starts_with("shop,Deployment,app,1,rhel7,outdated,"), "{lines:?}");
    assert_eq!(lines[2], "shop,Deployment,unseen,1,,,,true,shop/app:latest");
}

#[tokio::test]
async fn where_nothing_is_known_of_what_runs_a_view_says_what_to_do() {
    let mut world = World::new();
    world.images(&[("v1", &["A"])]).tag("base:1", &["v1"]).class("rhel7", "base:1").query_of_workloads();
    let page = page_of(&world);
    for path in ["/workloads", "/classes/rhel7", "/explain?ref=base:1"] {
        let (status, body) = shown(&page, path).await;
        assert!(status == StatusCode::OK && body.contains("clade import pods.json"), "{path}: {body}");
    }
    let (_, overview) = shown(&page, "/").await;
    assert!(!overview.contains("Running") && !overview.contains("never seen"), "{overview}");
}

#[tokio::test]
async fn a_class_and_an_image_say_what_runs_them() {
    let page = page_of(&world());
    let (_, class) = shown(&page, "/classes/rhel7").await;
    let part = class.split("Running on an outdated version").nth(1).unwrap();
    assert!(part.contains(">app<") && !part.contains(">unseen<"), "{part}");
    assert!(class.contains("href=\"/workloads?class=rhel7&amp;state=outdated\""), "{class}");
    let (_, image) = shown(&page, "/explain?ref=shop/app:latest").await;
    assert!(image.split("Running").nth(1).unwrap().contains(">app<"), "{image}");
    let (_, other) = shown(&page, &format!("/explain?ref={}", digest("v2"))).await;
    assert!(other.contains("No workload runs it."), "{other}");
    let (_, overview) = shown(&page, "/").await;
    assert!(overview.contains("Something runs that clade has never seen"), "{overview}");
    assert!(overview.contains("href=\"/workloads?class=rhel7\">1</a>"), "{overview}");
    let of_image = format!("/workloads?ref={}", digest("app"));
    let (_, table) = shown(&page, &of_image).await;
    assert!(table.contains(">app<") && !table.contains(">unseen<"), "{table}");
}

#[tokio::test]
async fn a_view_of_what_runs_has_no_past_and_refuses_what_it_does_not_know() {
    let page = page_of(&world());
    for (path, told) in [
        ("/workloads?at=7d", "nothing is kept of what ran before"),
        ("/workloads?sort=name", "sort"),
        ("/workloads?repository=x", "repository"),
        ("/workloads.csv?clas=x", "clas"),
    ] {
        let (status, body) = shown(&page, path).await;
        assert!(status == StatusCode::BAD_REQUEST && body.contains(told), "{path}: {status} {body}");
    }
    let (_, table) = shown(&page, "/workloads").await;
    assert!(!table.contains("As of"), "{table}");
}

#[tokio::test]
async fn a_name_that_runs_does_nothing_but_look_odd() {
    let mut world = world();
    let of = workload(HOSTILE, &format!("=1+1{HOSTILE}"), vec![running(HOSTILE, "nobody's")]);
    world.see(Observation::Workload(Box::new(of))).query_of_workloads();
    let page = page_of(&world);
    let (_, table) = shown(&page, "/workloads").await;
    assert!(table.contains("&lt;script&gt;alert"), "{table}");
    let file = String::from_utf8(ask(&page, "/workloads.csv", &[]).await.body).unwrap();
    assert!(file.contains("\"'=1+1<script>"), "{file}");
}
