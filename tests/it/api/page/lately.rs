//! The views of recent events: the audit trail, dead letters, admissions, and what has become outdated.

use std::sync::Arc;

use axum::http::StatusCode;
use clade::api::{Access, Api, ApiError, Audited, Router, page, router};
use clade::audit::{Entry, Found, Question};
use clade::log::TopicPartition;
use clade::record::{AdmissionRecord, DeadLetterRecord, Timestamp, Topic, encode};
use serde_json::json;

use super::{HOSTILE, page_of, shown, world};
use crate::api::Shown;
use crate::support::{World, digest, tag};

/// A trail of one entry for each question, about its class and a stranger's rebuild.
struct Trail;

impl Audited for Trail {
    fn entries(&self, question: &Question) -> Result<Found, ApiError> {
        let entry = Entry {
            seq: 17,
            image: Some(digest("app")),
            class: question.class.clone(),
            rebuild: Some(HOSTILE.to_owned()),
            ..Entry::new("image.outdated", Timestamp::UNIX_EPOCH)
        };
        let lines = vec![serde_json::to_string(&entry).unwrap()];
        Ok(Found { lines, next: question.before.is_none().then_some(17), damaged: 2 })
    }
}

fn audited(world: &World) -> Router {
    let asked = Shown { view: Arc::clone(&world.view), log: Arc::clone(&world.log) };
    let api = router(&Api {
        ask: Some(Arc::new(asked)),
        declare: Err("not here"),
        command: None,
        audit: Some(Arc::new(Trail)),
        access: Access::default(),
    });
    page(api.clone(), true).merge(api)
}

#[tokio::test]
async fn the_entries_of_an_object_are_reached_from_its_view_where_there_is_a_trail() {
    let world = world();
    let page = audited(&world);
    let (_, class) = shown(&page, "/classes/rhel7").await;
    assert!(class.contains("href=\"/audit?class=rhel7\""), "{class}");
    let (_, image) = shown(&page, "/explain?ref=shop/app:latest").await;
    assert!(image.contains(&format!("href=\"/audit?image=sha256%3A{}\"", digest("app").hex())), "{image}");
    let (_, entries) = shown(&page, "/audit?class=rhel7").await;
    for told in ["image.outdated", "href=\"/classes/rhel7\"", "&lt;script&gt;", "2 lines", "continue=17"] {
        assert!(entries.contains(told), "{told}: {entries}");
    }
    let (status, refused) = shown(&page, "/audit?clas=rhel7").await;
    assert!(status == StatusCode::BAD_REQUEST && refused.contains("`clas`"), "{refused}");
    // The view does not count as new because the trail goes on.
    let without = page_of(&world);
    let (_, class) = shown(&without, "/classes/rhel7").await;
    assert!(!class.contains("/audit"), "{class}");
    let (status, none) = shown(&without, "/audit").await;
    assert!(status == StatusCode::BAD_REQUEST && none.contains("clade run --audit"), "{none}");
}

#[tokio::test]
async fn what_could_not_be_used_is_counted_and_listed_with_the_reason() {
    let world = world();
    let page = page_of(&world);
    let (_, overview) = shown(&page, "/").await;
    assert!(overview.contains(">0</b><a href=\"/dead-letters\""), "{overview}");
    let (_, none) = shown(&page, "/dead-letters").await;
    assert!(none.contains("could be used"), "{none}");
    let letter = DeadLetterRecord::new("x:1".to_owned(), None, HOSTILE.to_owned(), Some(b"\xff{"));
    let to = TopicPartition { topic: Topic::DeadLetters, partition: 1 };
    let record = encode("x:1".to_owned(), &letter).unwrap();
    world.append(to, record.clone());
    world.append(to, record);
    let (_, overview) = shown(&page, "/").await;
    assert!(overview.contains("<b class=\"outdated\">2</b>"), "{overview}");
    let (_, letters) = shown(&page, "/dead-letters").await;
    assert!(letters.contains("&lt;script&gt;") && letters.contains("x:1"), "{letters}");
}

#[tokio::test]
async fn members_of_a_version_that_was_replaced_since_yesterday_are_told_as_such() {
    let mut world = World::new();
    world.images(&[("v1", &["A"]), ("v2", &["A", "B"]), ("v3", &["A", "C"])]);
    world.images(&[("on 1", &["A", "x"]), ("also on 1", &["A", "y"]), ("on 2", &["A", "B", "x"])]);
    let now = Timestamp::now().as_second();
    let days_ago = |days: i64| now - days * 24 * 60 * 60;
    world.see(tag("base:1", days_ago(9), &["v1"])).class("rhel7", "base:1");
    world.see(tag("base:1", days_ago(3), &["v2"]));
    let (_, before) = shown(&page_of(world.process()), "/").await;
    assert!(
        before.contains(">0</b>of them since yesterday") && !before.contains(" since yesterday</span>"),
        "{before}"
    );
    world.see(tag("base:1", now - 60, &["v3"]));
    let (_, after) = shown(&page_of(world.process()), "/").await;
    // The version itself, and what is built on it.
    assert!(after.contains("<b class=\"outdated\">2</b>of them since yesterday"), "{after}");
    assert!(after.contains("+2 since yesterday"), "{after}");
}

#[tokio::test]
async fn what_the_webhook_denied_is_listed_with_who_asked_and_why() {
    let mut world = world();
    super::policies::policy(&mut world, "current-only", "rhel7");
    world.query_of_workloads();
    let page = page_of(&world);
    let (_, policies) = shown(&page, "/policies").await;
    assert!(policies.contains("href=\"/admissions\""), "{policies}");
    let (_, none) = shown(&page, "/admissions").await;
    assert!(none.contains("Nothing. The webhook records"), "{none}");
    let finding = json!({
        "container": "main", "role": "container", "image": HOSTILE, "policy": "current-only", "verdict": "violating",
        "decision": "deny", "reason": "Outdated", "message": "built on an outdated version",
    });
    let record: AdmissionRecord = serde_json::from_value(json!({
        "id": "1", "time": Timestamp::now(), "times": 3, "user": "system:serviceaccount:shop:default", "namespace": "shop",
        "kind": "Deployment", "name": "app", "verdict": "violating", "decision": "deny", "findings": [finding],
    }))
    .unwrap();
    let to = TopicPartition { topic: Topic::Admissions, partition: 0 };
    world.append(to, encode("1".to_owned(), &record).unwrap());
    let (status, denied) = shown(&page, "/admissions").await;
    assert_eq!(status, StatusCode::OK);
    for told in [
        "denied",
        "3 times",
        "shop/Deployment/app",
        "serviceaccount",
        "an outdated version",
        "&lt;script&gt;",
    ] {
        assert!(denied.contains(told), "{told}: {denied}");
    }
}
