//! Tests of registries that refuse something, for a while or for good.

use serde_json::json;

use super::MANIFEST;
use super::server::{Answer, BREAKS_OFF, Server};

fn refusal(status: u16, code: &str) -> Answer {
    let said = json!({"errors": [{"code": code, "message": "not for you"}]});
    Answer(status, Vec::new(), said.to_string().into_bytes())
}

#[tokio::test]
async fn repositories_that_refuse_for_good_hide_no_other() {
    let server = Server::start().await;
    let names: Vec<String> = (0..40).map(|number| format!("blocked{number:02}")).collect();
    let image = server.image("sound", &["A"]);
    server.tags("sound", &[("1", image)]);
    let listed: Vec<&str> = names.iter().map(String::as_str).chain(["sound"]).collect();
    server.repositories(&listed);
    for (name, status) in names.iter().zip([401, 403, 412, 451].into_iter().cycle()) {
        let refused = [refusal(status, "DENIED")];
        if status == 401 || status == 403 {
            server.answers(&format!("GET /v2/{name}/tags/list?n=1000"), &refused);
        } else {
            let list = json!({"name": name, "tags": ["1"]});
            server.answers(&format!("GET /v2/{name}/tags/list?n=1000"), &[Answer::json(&list)]);
            server.answers(&format!("HEAD /v2/{name}/manifests/1"), &refused);
            server.answers(&format!("GET /v2/{name}/manifests/1"), &refused);
        }
    }
    let seen = server.pass().await;
    assert_eq!(seen.images(), [image]);
    assert_eq!(seen.unseen(), names);
}

#[tokio::test]
async fn a_manifest_that_is_not_there_yet_is_asked_for_again_and_told_of_once() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a"]).tags("a", &[("1", image)]);
    let path = format!("GET /v2/a/manifests/{image}");
    let there = server.answer_to(&path);
    server.answers(&path, &[refusal(404, "MANIFEST_UNKNOWN"), refusal(404, "MANIFEST_UNKNOWN"), there]);
    let seen = server.passes_until(8, |seen| !seen.images().is_empty()).await;
    assert_eq!(seen.images(), [image]);
    assert_eq!(seen.unreadable().len(), 1);
}

#[tokio::test]
async fn a_config_that_is_not_there_yet_is_asked_for_again_and_its_index_is_told_again() {
    let server = Server::start().await;
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let index = server.manifest(
        "a",
        &json!({"manifests": [{"digest": one, "mediaType": MANIFEST}, {"digest": other, "mediaType": MANIFEST}]}),
    );
    server.repositories(&["a"]).tags("a", &[("1", index)]);
    let manifest = server.answer_to(&format!("GET /v2/a/manifests/{other}"));
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.2).unwrap();
    let path = format!("GET /v2/a/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
    let there = server.answer_to(&path);
    server.answers(&path, &[refusal(404, "BLOB_UNKNOWN"), there]);
    let both = |seen: &super::server::Seen| seen.repository("a").is_some_and(|tags| tags[0].1 == 2);
    let seen = server.passes_until(8, both).await;
    assert!(both(&seen));
}

#[tokio::test]
async fn what_is_deleted_beside_a_refused_image_is_gone() {
    let server = Server::start().await;
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    server.repositories(&["a"]).tags("a", &[("1", one), ("2", other), ("3", one)]);
    let list = |tags: &[&str]| Answer::json(&json!({"name": "a", "tags": tags}));
    server.answers("GET /v2/a/tags/list?n=1000", &[list(&["1", "2", "3"]), list(&["1", "2"])]);
    let head = server.answer_to("HEAD /v2/a/manifests/1");
    server.answers("HEAD /v2/a/manifests/1", &[head, refusal(412, "DENIED")]);
    server.answers("GET /v2/a/manifests/1", &[refusal(412, "DENIED")]);
    let without = |seen: &super::server::Seen| seen.repository("a").is_some_and(|tags| tags.len() == 2);
    let seen = server.passes_until(6, without).await;
    let tags = [("1".to_owned(), 1), ("2".to_owned(), 1)];
    assert_eq!(
        seen.repository("a").unwrap(),
        tags,
        "the refused tag is where it was, the deleted one is not"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_the_failure_of_its_repository_alone() {
    let server = Server::start().await;
    let (broken, sound) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b"]).tags("a", &[("1", broken)]).tags("b", &[("1", sound)]);
    server.answers(&format!("GET /v2/a/manifests/{broken}"), &[Answer::status(200).with(BREAKS_OFF, "yes")]);
    let seen = server.passes_until(2, |seen| seen.unseen_or_none() == ["a"]).await;
    assert_eq!(seen.images(), [sound]);
    assert_eq!(seen.unseen(), ["a"]);
}

#[tokio::test]
async fn a_challenge_that_comes_only_with_a_repository_is_followed() {
    let server = Server::start().await;
    server.wants_tokens();
    let image = server.image("team/a", &["A"]);
    server
        .repositories(&["team/a"])
        .tags("team/a", &[("1", image)])
        .answers("GET /v2/", &[Answer::status(200)]);
    assert_eq!(server.pass().await.images(), [image]);
}

#[tokio::test]
async fn a_token_without_an_end_is_no_token() {
    let server = Server::start().await;
    let image = server.image("b", &["B"]);
    server.repositories(&["a", "b"]).tags("b", &[("1", image)]);
    let realm = format!("Bearer realm=\"http://{}/long\",service=\"x\"", server.address());
    server.answers("GET /v2/a/tags/list?n=1000", &[Answer::status(401).with("www-authenticate", realm)]);
    let token = format!("{{\"token\": \"{}\"}}", "x".repeat(2 << 20));
    let path = "GET /long?scope=repository%3Aa%3Apull&service=x";
    server.answers(path, &[Answer(200, Vec::new(), token.into_bytes())]);
    let seen = server.pass().await;
    assert_eq!((seen.images(), seen.unseen()), (vec![image], vec!["a".to_owned()]));
    assert!(server.asked(path) > 0);
}
