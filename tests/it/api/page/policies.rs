//! The view of policies.

use axum::http::StatusCode;
use clade::declare::PolicySpec;
use clade::observe::Observation;
use serde_json::json;

use super::{HOSTILE, page_of, running, shown, world};
use crate::support::{World, workload};

/// A policy that requires the current version of a class.
pub(super) fn policy(world: &mut World, name: &str, class: &str) {
    let policy = json!({
        "require": {"classes": [class], "state": "Current"},
        "action": "Audit",
        "exempt": [{"reason": HOSTILE, "repositories": ["elsewhere/*"]}],
    });
    let policy = serde_json::from_value(policy).unwrap();
    world.publisher.apply_policy(&PolicySpec { name: name.to_owned(), policy }).unwrap();
}

#[tokio::test]
async fn a_policy_stands_there_with_its_counts_and_what_it_does_not_allow_with_the_reason() {
    let mut world = world();
    policy(&mut world, "current-only", "rhel7");
    policy(&mut world, "not-there", "nobody");
    world.query_of_workloads();
    let page = page_of(&world);
    let (status, body) = shown(&page, "/policies").await;
    assert_eq!(status, StatusCode::OK);
    for told in
        ["current-only", "Audit", "the current version of", "no class that it requires exists", "violating"]
    {
        assert!(body.contains(told), "{told}: {body}");
    }
    assert!(body.contains("built on an outdated version of class rhel7"), "{body}");
    assert!(body.contains("verdict=violating\">1</a>") && body.contains("verdict=unknown\">1</a>"), "{body}");
    assert!(body.contains("&lt;script&gt;alert"), "the reason of an exemption");
    let (_, one) = shown(&page, "/policies?policy=current-only&verdict=violating").await;
    assert!(one.contains(">Deployment/app<") && !one.contains(">Deployment/unseen<"), "{one}");
    assert!(!one.contains("not-there"), "{one}");
    let (_, other) = shown(&page, "/policies?namespace=elsewhere").await;
    assert!(other.contains("There is none.") && !other.contains("clade import"), "{other}");
}

#[tokio::test]
async fn workloads_that_are_not_allowed_come_page_by_page() {
    let mut world = world();
    policy(&mut world, "current-only", "rhel7");
    for number in 0..150 {
        let of = workload("shop", &format!("more-{number:03}"), vec![running("shop/app:latest", "app")]);
        world.see(Observation::Workload(Box::new(of)));
    }
    world.query_of_workloads();
    let page = page_of(&world);
    let (_, first) = shown(&page, "/policies?verdict=violating").await;
    let next = super::links(&first).into_iter().find(|link| link.contains("continue=")).unwrap();
    assert!(first.contains("51 more") && first.matches("<tr>").count() > 100, "{next}");
    let (_, second) = shown(&page, &next).await;
    assert!(second.contains("more-149") && !second.contains("continue=") && !second.contains("more-000"));
}

#[tokio::test]
async fn without_policies_or_workloads_the_view_says_what_to_do() {
    let (_, none) = shown(&page_of(&world()), "/policies").await;
    assert!(none.contains("There is no policy yet") && none.contains("kind: ClassPolicy"), "{none}");
    let mut world = World::new();
    world.images(&[("v1", &["A"])]).tag("base:1", &["v1"]).class("rhel7", "base:1");
    policy(&mut world, "current-only", "rhel7");
    world.query_of_workloads();
    let (_, nothing) = shown(&page_of(&world), "/policies").await;
    assert!(nothing.contains("clade import pods.json"), "{nothing}");
}

#[tokio::test]
async fn the_view_of_policies_refuses_what_it_does_not_know() {
    let mut world = world();
    policy(&mut world, "current-only", "rhel7");
    world.query_of_workloads();
    let page = page_of(&world);
    for (path, status, told) in [
        ("/policies?clas=x", StatusCode::BAD_REQUEST, "clas"),
        ("/policies?verdict=bad", StatusCode::BAD_REQUEST, "violating, unknown or exempt"),
        ("/policies?at=7d", StatusCode::BAD_REQUEST, "of the present"),
        ("/policies?policy=curent-only", StatusCode::NOT_FOUND, "current-only"),
    ] {
        let (refused, body) = shown(&page, path).await;
        assert!(refused == status && body.contains(told), "{path}: {refused} {body}");
    }
}
