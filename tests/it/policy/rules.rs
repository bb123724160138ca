//! The rules, one by one, on an index.

use std::time::Duration;

use clade::policy::{Behind, Container, Decision, NodePlatform, PodVerdict, Subject, Verdict};
use clade::query::{NamedPolicy, Unseen, VerdictRequest};
use clade::record::{ContainerRole, TagImage, Timestamp};
use serde_json::{Value as Json, json};

use crate::domain::worked_example;
use crate::support::{World, digest, image};

/// The time of the last move of the worked example's tag, and of what comes after it.
fn after(span: u64) -> Timestamp {
    // The moves of a world are one second apart.
    Timestamp::from_second(3).unwrap().checked_add(Duration::from_secs(span)).unwrap()
}

fn policy(require: Json, more: Json) -> NamedPolicy {
    let mut spec = json!({"require": require, "action": "Deny"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    NamedPolicy { name: "only-base".to_owned(), spec: serde_json::from_value(spec).unwrap() }
}

fn asked(image: &str, policy: NamedPolicy) -> VerdictRequest {
    let container =
        Container { name: "app".to_owned(), role: ContainerRole::Container, image: image.to_owned() };
    let pod = Subject { namespace: "shop".to_owned(), containers: vec![container], ..Subject::default() };
    VerdictRequest { pod, policies: Some(vec![policy]), images: Vec::new() }
}

fn judged(world: &mut World, request: &VerdictRequest, now: Timestamp, behind: Behind) -> PodVerdict {
    world.query().verdict(request, now, behind).unwrap()
}

/// Verdict, reason and message on one image.
fn found(world: &mut World, image: &str, policy: NamedPolicy) -> (Verdict, String, String) {
    let verdict = judged(world, &asked(image, policy), after(1_000_000), Behind::By(Duration::ZERO));
    let judgement = verdict.containers[0].judgements[0].clone();
    (verdict.verdict, judgement.reason, judgement.message)
}

fn by_digest(name: &str) -> String {
    format!("registry/x@{}", digest(name))
}

#[test]
fn an_image_is_allowed_if_it_is_built_on_one_of_the_classes() {
    let mut world = worked_example();
    let any = || policy(json!({"classes": ["base", "none"]}), json!({}));
    assert_eq!(found(&mut world, &by_digest("app1"), any()).0, Verdict::Allowed);
    let (verdict, reason, message) = found(&mut world, &by_digest("other"), any());
    assert_eq!((verdict, reason.as_str()), (Verdict::Violating, "NotAMember"));
    assert_eq!(message, "not built on class base; it is built on no class; rebuild it on class base");
}

#[test]
fn an_outdated_image_violates_a_policy_that_asks_for_the_current_version_once_its_grace_is_over() {
    let mut world = worked_example();
    let of = |grace: Option<&str>| {
        policy(json!({"classes": ["base"], "state": "Current", "grace": grace}), json!({}))
    };
    assert_eq!(found(&mut world, &by_digest("app3"), of(None)).0, Verdict::Allowed);
    let (verdict, reason, message) = found(&mut world, &by_digest("app1"), of(None));
    assert_eq!((verdict, reason.as_str()), (Verdict::Violating, "Outdated"));
    assert!(
        message.contains("rebuild it on the current one") && message.contains(&digest("base@v3").short()),
        "{message}"
    );
    // Nothing but time passes between the two.
    let replaced = world.query().explain_one(&digest("app2").to_string()).unwrap().newer[0].outdated_since;
    let request = asked(&by_digest("app2"), of(Some("1h")));
    let at = |seconds: u64| replaced.checked_add(Duration::from_secs(seconds)).unwrap();
    let verdict = judged(&mut world, &request, at(3_599), Behind::By(Duration::ZERO));
    let judgement = &verdict.containers[0].judgements[0];
    assert_eq!((verdict.verdict, judgement.until), (Verdict::Allowed, Some(at(3_600))));
    let verdict = judged(&mut world, &request, at(3_600), Behind::By(Duration::ZERO));
    assert_eq!(verdict.decision, Decision::Deny);
}

#[test]
fn a_class_that_is_rolled_back_makes_the_grace_of_its_later_versions_begin_at_the_roll_back() {
    let mut world = worked_example();
    world.tag("base:latest", &["base@v1"]);
    let current = || policy(json!({"classes": ["base"], "state": "Current"}), json!({}));
    assert_eq!(found(&mut world, &by_digest("app1"), current()).0, Verdict::Allowed);
    assert_eq!(found(&mut world, &by_digest("app3"), current()).0, Verdict::Violating);
    let rolled_back =
        world.query().list_classes(None).unwrap()[0].status.current.clone().unwrap().since.unwrap();
    let replaced = world.query().explain_one(&digest("app3").to_string()).unwrap().newer[0].outdated_since;
    assert_eq!(replaced, rolled_back);
}

#[test]
fn a_tag_is_judged_by_what_it_points_at_now() {
    let mut world = worked_example();
    world.tag("shop/web:1", &["app1"]);
    let any = || policy(json!({"classes": ["base"]}), json!({}));
    assert_eq!(found(&mut world, "shop/web:1", any()).0, Verdict::Allowed);
    world.tag("shop/web:1", &["other"]);
    assert_eq!(found(&mut world, "shop/web:1", any()).0, Verdict::Violating);
    // The digest after @ counts, and not the tag beside it.
    assert_eq!(found(&mut world, &format!("shop/web:1@{}", digest("app1")), any()).0, Verdict::Allowed);
}

#[test]
fn what_clade_does_not_know_is_unknown_and_follows_on_unknown_within_the_action() {
    let mut world = worked_example();
    for (action, on_unknown, decision) in [
        ("Deny", "Allow", Decision::Allow),
        ("Deny", "Warn", Decision::Warn),
        ("Deny", "Deny", Decision::Deny),
        ("Audit", "Deny", Decision::Audit),
        ("Warn", "Deny", Decision::Warn),
    ] {
        let of = policy(json!({"classes": ["base"]}), json!({"action": action, "onUnknown": on_unknown}));
        for image in ["shop/never:1", &by_digest("never"), "No Image!"] {
            let request = asked(image, of.clone());
            let verdict = judged(&mut world, &request, after(0), Behind::By(Duration::ZERO));
            assert_eq!((verdict.verdict, verdict.decision), (Verdict::Unknown, decision), "{image}");
        }
    }
}

#[test]
fn the_name_of_an_image_is_never_taken_for_the_beginning_of_a_digest() {
    let mut world = worked_example();
    let hex = digest("app1").hex();
    let any = || policy(json!({"classes": ["base"]}), json!({}));
    for name in [&hex[..8], &hex, digest("app1").short().trim_start_matches("sha256:")] {
        assert_eq!(found(&mut world, name, any()).0, Verdict::Unknown, "{name}");
    }
}

#[test]
fn old_knowledge_denies_nothing_and_what_it_allows_is_marked() {
    let mut world = worked_example();
    let any = || policy(json!({"classes": ["base"]}), json!({"maxStaleness": "60s"}));
    for behind in [Behind::By(Duration::from_secs(61)), Behind::Never] {
        let verdict = judged(&mut world, &asked(&by_digest("other"), any()), after(0), behind);
        assert_eq!(
            (verdict.verdict, verdict.decision, verdict.stale),
            (Verdict::Unknown, Decision::Warn, true)
        );
        let verdict = judged(&mut world, &asked(&by_digest("app1"), any()), after(0), behind);
        assert_eq!((verdict.verdict, verdict.stale), (Verdict::Allowed, true));
    }
    let behind = Behind::By(Duration::from_secs(60));
    let verdict = judged(&mut world, &asked(&by_digest("other"), any()), after(0), behind);
    assert_eq!((verdict.decision, verdict.stale), (Decision::Deny, false));
}

#[test]
fn a_policy_that_selects_no_class_is_not_ready_and_neither_denies_nor_allows() {
    let mut world = worked_example();
    for require in [json!({"classes": ["bas"]}), json!({"selector": {"matchLabels": {"vendor": "nobody"}}})] {
        let request = asked(&by_digest("other"), policy(require, json!({})));
        let verdict = judged(&mut world, &request, after(0), Behind::By(Duration::ZERO));
        assert_eq!((verdict.verdict, verdict.decision), (Verdict::Allowed, Decision::Allow));
        assert_eq!(verdict.not_ready[0].policy, "only-base");
    }
}

#[test]
fn the_worst_platform_of_an_image_counts_unless_the_node_is_known() {
    let mut world = World::new();
    let built = |name: &str, layers: &[&str], architecture: &str| {
        let mut image = image(name, layers);
        image.platform = clade::oci::Platform::new("linux", architecture);
        clade::observe::Observation::Image(Box::new(image))
    };
    world
        .images(&[("base", &["A"])])
        .see(built("app-amd64", &["A", "B"], "amd64"))
        .see(built("app-arm64", &["Z"], "arm64"))
        .class("base", "base:1")
        .tag("base:1", &["base"])
        .tag("shop/web:1", &["app-amd64", "app-arm64"]);
    let any = || policy(json!({"classes": ["base"]}), json!({}));
    let mut on = |architecture: Option<&str>| {
        let mut request = asked("shop/web:1", any());
        request.pod.platform = architecture
            .map(|of| NodePlatform { os: Some("linux".to_owned()), architecture: Some(of.to_owned()) });
        judged(&mut world, &request, after(0), Behind::By(Duration::ZERO)).verdict
    };
    assert_eq!(on(None), Verdict::Violating);
    assert_eq!(on(Some("amd64")), Verdict::Allowed);
    assert_eq!(on(Some("arm64")), Verdict::Violating);
    assert_eq!(on(Some("s390x")), Verdict::Unknown);
}

#[test]
fn an_exemption_counts_until_it_ends_without_anybody_doing_anything() {
    let mut world = worked_example();
    world.tag("quay.io/team/web:1", &["other"]);
    let exempt = |exemption: Json| policy(json!({"classes": ["base"]}), json!({"exempt": [exemption]}));
    let until = after(100);
    let ends =
        exempt(json!({"reason": "moving", "until": until.to_string(), "repositories": ["quay.io/team/*"]}));
    let request = asked("quay.io/team/web:1", ends);
    let before = judged(&mut world, &request, after(99), Behind::By(Duration::ZERO));
    let judgement = &before.containers[0].judgements[0];
    assert_eq!((before.verdict, judgement.until), (Verdict::Exempt, Some(until)));
    assert!(judgement.message.contains("moving"), "{}", judgement.message);
    let then = judged(&mut world, &request, until, Behind::By(Duration::ZERO));
    assert_eq!(then.decision, Decision::Deny);
    let by_digest = exempt(json!({"reason": "seen", "digests": [digest("other")]}));
    assert_eq!(found(&mut world, "quay.io/team/web:1", by_digest).0, Verdict::Exempt);
    let another = exempt(json!({"reason": "seen", "repositories": ["quay.io/other/*"]}));
    assert_eq!(found(&mut world, "quay.io/team/web:1", another).0, Verdict::Violating);
}

#[test]
fn an_image_that_no_source_has_reported_is_judged_by_its_layers() {
    let mut world = worked_example();
    let unseen = |layers: &[&str]| Unseen {
        image: "build.tar".to_owned(),
        digest: digest("new"),
        platform: clade::oci::Platform::new("linux", "amd64"),
        diff_ids: layers.iter().map(|layer| digest(layer)).collect(),
        blobs: layers.iter().map(|layer| digest(layer)).collect(),
    };
    let current = || policy(json!({"classes": ["base"], "state": "Current"}), json!({}));
    let mut on = |layers: &[&str]| {
        let request = VerdictRequest { images: vec![unseen(layers)], ..asked("build.tar", current()) };
        judged(&mut world, &request, after(1_000_000), Behind::By(Duration::ZERO)).verdict
    };
    assert_eq!(on(&["A", "X", "new"]), Verdict::Allowed);
    assert_eq!(on(&["A", "B", "C", "new"]), Verdict::Violating);
    assert_eq!(on(&["new"]), Verdict::Violating);
}

#[test]
fn a_policy_of_a_question_is_checked_as_a_declared_one() {
    let mut world = worked_example();
    let wrong = policy(json!({}), json!({}));
    let problem =
        world.query().verdict(&asked("x:1", wrong), after(0), Behind::By(Duration::ZERO)).unwrap_err();
    assert!(problem.contains("policies[0]") && problem.contains("names no class"), "{problem}");
}

/// A node could run it, and its layers are nowhere.
#[test]
fn an_image_that_clade_has_not_seen_is_unknown_though_it_has_seen_another_one_of_the_same_tag() {
    let mut world = worked_example();
    world.tag("shop/web:1", &["app1", "never"]);
    let any = || policy(json!({"classes": ["base"]}), json!({}));
    assert_eq!(found(&mut world, &by_digest("never"), any()).0, Verdict::Unknown);
    assert_eq!(found(&mut world, "shop/web:1", any()).0, Verdict::Unknown);
    assert_eq!(found(&mut world, &by_digest("app1"), any()).0, Verdict::Allowed);
    world.tag("shop/web:1", &["other", "never"]);
    assert_eq!(found(&mut world, "shop/web:1", any()).0, Verdict::Violating);
}

#[test]
fn an_index_that_its_tag_has_left_is_unknown_while_a_node_could_run_an_image_of_it_that_clade_has_not_seen() {
    let mut world = worked_example();
    world.tag("shop/web:1", &["app1", "never"]);
    let images = ["app1", "never"].map(|of| TagImage { digest: digest(of), platform: None });
    let index = digest(&format!("{images:?}"));
    world.tag("shop/web:1", &["app3"]);
    let any = || policy(json!({"classes": ["base"]}), json!({}));
    let by_index = format!("registry/x@{index}");
    assert_eq!(found(&mut world, &by_index, any()).0, Verdict::Unknown);
    let mut request = asked(&by_index, any());
    let platform =
        |os: &str| NodePlatform { os: Some(os.to_owned()), architecture: Some("amd64".to_owned()) };
    request.pod.platform = Some(platform("linux"));
    let of = |world: &mut World, request: &VerdictRequest| {
        judged(world, request, after(1_000), Behind::By(Duration::ZERO)).verdict
    };
    assert_eq!(of(&mut world, &request), Verdict::Allowed, "app1 is the image of this platform");
    request.pod.platform = Some(platform("windows"));
    assert_eq!(of(&mut world, &request), Verdict::Unknown);
}
