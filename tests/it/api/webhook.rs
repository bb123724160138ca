//! The admission webhook in front of an index: what it writes down of what it judges.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use clade::api::{self, Admission, Labels, Namespaces, Router};
use clade::decisions::Admissions;
use clade::declare::PolicySpec;
use clade::log::{SharedLog, TopicPartition, for_each};
use clade::policy::{Decision, Verdict};
use clade::record::{AdmissionRecord, Topic, decode};
use clade::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Shown, answer, world};
use crate::support::World;

struct Unlabelled;

impl Namespaces for Unlabelled {
    fn labels<'a>(&'a self, _: &'a str) -> Labels<'a> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }
}

/// A world with a policy that denies what is not built on rhel7, its webhook, the metrics, and what the webhook writes down.
pub(super) struct Webhook {
    world: World,
    pub(super) router: Router,
    pub(super) metrics: Metrics,
    written: mpsc::Receiver<AdmissionRecord>,
}

fn webhook(room: usize) -> Webhook {
    webhook_for(room, None)
}

/// The same for clients with these names in their certificates.
pub(super) fn webhook_for(room: usize, clients: Option<Vec<String>>) -> Webhook {
    let mut world = world();
    world.images(&[("foreign", &["Z"])]).tag("foreign:1", &["foreign"]);
    let spec = json!({"require": {"classes": ["rhel7"]}, "action": "Deny"});
    let policy = PolicySpec { name: "vendor".to_owned(), policy: serde_json::from_value(spec).unwrap() };
    world.publisher.apply_policy(&policy).unwrap();
    world.process();
    let (metrics, (records, written)) = (Metrics::default(), mpsc::channel(room));
    let shown = Shown { view: Arc::clone(&world.view), log: SharedLog::clone(&world.log) };
    let router = api::admission(Admission {
        ask: Arc::new(shown),
        namespaces: Arc::new(Unlabelled),
        exempt: Arc::new(Vec::new()),
        clients: clients.map(Arc::new),
        records,
        metrics: metrics.admission.clone(),
        places: Admission::places(),
    });
    Webhook { world, router, metrics, written }
}

impl Webhook {
    /// Asks whether a pod with this image may be created, and returns whether it may.
    async fn asks(&self, uid: &str, kind: &str, image: &str, is_dry_run: bool) -> bool {
        let metadata = json!({"name": "web-1", "ownerReferences": [{"kind": "StatefulSet", "name": "web", "controller": true}]});
        let pod = json!({"metadata": metadata, "spec": {"containers": [{"name": "app", "image": image}]}});
        let (group, object) = match kind {
            "Pod" => ("", pod),
            _ => ("apps", json!({"metadata": {"name": "web"}, "spec": {"template": pod}})),
        };
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": uid, "kind": {"group": group, "version": "v1", "kind": kind}, "namespace": "shop",
            "operation": "CREATE", "object": object, "dryRun": is_dry_run,
            "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"},
        }});
        let request = Request::post("/validate").body(Body::from(review.to_string())).unwrap();
        let asked = answer(&self.router, request).await;
        assert_eq!(asked.status, StatusCode::OK);
        asked.json()["response"]["allowed"] == Value::Bool(true)
    }
}

#[tokio::test]
async fn a_pod_that_is_not_simply_allowed_is_written_down_with_its_workload_its_user_and_the_reason() {
    let mut webhook = webhook(10);
    assert!(webhook.asks("1", "Pod", "app:01", false).await, "it is built on rhel7");
    assert!(!webhook.asks("2", "Pod", "foreign:1", false).await);
    assert!(webhook.asks("3", "Pod", "never:1", false).await, "it is unknown");
    assert!(!webhook.asks("4", "Pod", "foreign:1", true).await, "a dry run is judged, and not written down");
    assert!(webhook.asks("5", "StatefulSet", "foreign:1", false).await, "people are warned of a template");
    let denied = webhook.written.try_recv().unwrap();
    assert_eq!((denied.id.as_str(), denied.times), ("2", 1));
    assert_eq!(denied.key(), "shop/StatefulSet/web");
    assert_eq!(denied.user, "system:serviceaccount:kube-system:statefulset-controller");
    assert_eq!((denied.verdict, denied.decision), (Verdict::Violating, Decision::Deny));
    let finding = &denied.findings[0];
    assert_eq!((finding.container.as_str(), finding.image.as_str()), ("app", "foreign:1"));
    assert_eq!(finding.judgement.policy, "vendor");
    let unknown = webhook.written.try_recv().unwrap();
    assert_eq!((unknown.id.as_str(), unknown.decision), ("3", Decision::Warn));
    assert!(webhook.written.try_recv().is_err(), "nothing else was written down");
}

#[tokio::test]
async fn no_question_waits_for_the_log_and_what_finds_no_room_is_counted() {
    let webhook = webhook(2);
    for uid in 0..5 {
        assert!(!webhook.asks(&uid.to_string(), "Pod", "foreign:1", false).await);
    }
    assert_eq!(webhook.written.len(), 2);
    assert!(webhook.metrics.text().contains("clade_admission_unrecorded_total 3"));
}

#[tokio::test]
async fn what_was_written_down_stands_on_the_topic_under_the_key_of_its_workload() {
    let mut webhook = webhook(10);
    for (uid, image) in [("1", "foreign:1"), ("2", "never:1")] {
        webhook.asks(uid, "Pod", image, false).await;
    }
    let mut waiting = Vec::new();
    while let Ok(record) = webhook.written.try_recv() {
        waiting.push(record);
    }
    let mut admissions = Admissions::open(&*webhook.world.log, "admissions").unwrap();
    admissions.write(&waiting).unwrap();
    let (mut written, place) = (Vec::new(), TopicPartition { topic: Topic::Admissions, partition: 0 });
    for_each(&*webhook.world.log, place, |stored| {
        let record: AdmissionRecord = decode(&stored.record).unwrap().unwrap();
        assert_eq!(stored.record.key, "shop/StatefulSet/web");
        written.push(record.id);
    })
    .unwrap();
    assert_eq!(written, ["1", "2"]);
}

#[tokio::test]
async fn gatekeeper_is_told_of_each_image_by_one_policy_or_why_nobody_can_tell() {
    let webhook = webhook(1);
    let ask = async |policy: &str, body: String| {
        answer(
            &webhook.router,
            Request::post(format!("/gatekeeper/{policy}")).body(Body::from(body)).unwrap(),
        )
        .await
    };
    let request = |kind: &str, keys: &[&str]| {
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": kind, "request": {"keys": keys}})
            .to_string()
    };
    let told = ask("vendor", request("ProviderRequest", &["app:01", "foreign:1", "never:1"])).await.json();
    assert_eq!((&told["kind"], &told["response"]["idempotent"]), (&json!("ProviderResponse"), &json!(true)));
    let items = told["response"]["items"].as_array().unwrap();
    let found: Vec<(&str, &str, &str)> = items
        .iter()
        .map(|item| (&item["key"], &item["value"]["verdict"], &item["value"]["decision"]))
        .map(|(key, verdict, decision)| {
            (key.as_str().unwrap(), verdict.as_str().unwrap(), decision.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        found,
        [("app:01", "allowed", "allow"), ("foreign:1", "violating", "deny"), ("never:1", "unknown", "warn")]
    );
    assert!(items[1]["value"]["message"].as_str().unwrap().contains("built on no class"), "{}", items[1]);
    let told = ask("nobody", request("ProviderRequest", &["app:01"])).await.json();
    assert_eq!(told["response"]["systemError"], "no policy is named \"nobody\"");
    for body in
        [request("ProviderResponse", &[]), "{".to_owned(), request("ProviderRequest", &vec!["x"; 1_001])]
    {
        assert_eq!(ask("vendor", body).await.status, StatusCode::BAD_REQUEST);
    }
}
