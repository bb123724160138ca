//! Tests the registry source with right and wrong answers of a made-up server.

use std::time::{Duration, Instant};

use clade::observe::Observation;
use clade::oci::Digest;
use serde_json::json;

use crate::support::digest;

mod claimed;
mod moments;
mod refusals;
mod restart;
mod server;
mod strange;

use server::{Answer, Server};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[tokio::test]
async fn lists_are_read_page_by_page_however_the_next_page_is_called() {
    let server = Server::start().await;
    let page = |names: &[&str]| Answer::json(&json!({"repositories": names}));
    let link = "<https://elsewhere.example/v2/_catalog?next_page=abc>; rel=\"next\"";
    server.answers("GET /v2/_catalog?n=1000", &[page(&["a"]).with("link", link)]);
    server.answers("GET /v2/_catalog?next_page=abc", &[page(&["b"])]);
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    server.tags("a", &[("1", one)]).tags("b", &[]);
    let tags = Answer::json(&json!({"tags": ["1"]})).with("link", "</v2/a/tags/list?last=1>; rel=\"next\"");
    server.answers("GET /v2/a/tags/list?n=1000", &[tags]);
    server.answers("GET /v2/a/tags/list?last=1", &[Answer::json(&json!({"tags": ["2"]}))]);
    let head = Answer::status(200).with("docker-content-digest", other.to_string());
    server.answers("HEAD /v2/a/manifests/2", &[head]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_repositories(), ["a", "b"]);
    assert_eq!(seen.repository("a").unwrap(), [("1".to_owned(), 1), ("2".to_owned(), 1)]);
}

#[tokio::test]
async fn a_full_page_without_a_link_is_not_taken_for_the_end() {
    let server = Server::start().await;
    let names: Vec<String> = (0..1_000).map(|number| format!("r{number:04}")).collect();
    server.answers("GET /v2/_catalog?n=1000", &[Answer::json(&json!({"repositories": names}))]);
    server.answers("GET /v2/_catalog?n=1000&last=r0999", &[Answer::json(&json!({"repositories": ["s"]}))]);
    for name in names.iter().map(String::as_str).chain(["s"]) {
        server.tags(name, &[]);
    }
    assert_eq!(server.pass().await.listed_repositories().len(), 1_001);
}

#[tokio::test]
async fn a_registry_that_wants_to_be_asked_later_is_asked_later() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a"]).tags("a", &[("1", image)]);
    let list = Answer::json(&json!({"tags": ["1"]}));
    let later = Answer::status(429).with("retry-after", "1");
    server.answers("GET /v2/a/tags/list?n=1000", &[later, Answer::status(502), list]);
    let begun = Instant::now();
    assert_eq!(server.pass().await.listed_images(), [image]);
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.asked("GET /v2/a/tags"), 3);
}

#[tokio::test]
async fn what_cannot_be_found_out_of_one_repository_makes_nothing_look_deleted_and_stops_no_other() {
    let server = Server::start().await;
    let (here, there) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b", "c"]).tags("a", &[("1", here)]).tags("b", &[("1", there), ("2", there)]);
    server.answers("HEAD /v2/b/manifests/2", &[Answer::status(403)]);
    server.answers("GET /v2/b/manifests/2", &[Answer::status(403)]);
    server.answers("GET /v2/c/tags/list?n=1000", &[Answer::status(500)]);
    let seen = server.pass().await;
    assert_eq!(seen.unseen(), ["b", "c"]);
    assert!(seen.repository("a").is_some() && seen.repository("c").is_none());
    let tags = [("1".to_owned(), 1), ("2".to_owned(), 0)];
    assert_eq!(seen.repository("b").unwrap(), tags, "the tag that cannot be found out is still there");
    assert_eq!(seen.images().len(), 2);
}

#[tokio::test]
async fn a_repository_that_is_listed_and_answers_404_is_gone() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a", "gone"]).tags("a", &[("1", image)]);
    let unknown =
        json!({"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]});
    let unknown = Answer(404, Vec::new(), unknown.to_string().into_bytes());
    server.answers("GET /v2/gone/tags/list?n=1000", &[unknown]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_repositories(), ["a"]);
    assert_eq!(seen.repository("gone"), Some(Vec::new()));
}

#[tokio::test]
async fn a_404_that_no_registry_has_written_says_nothing_of_a_repository() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a", "hidden"]).tags("a", &[("1", image)]);
    let page = Answer(404, Vec::new(), b"<html>default backend</html>".to_vec());
    server.answers("GET /v2/hidden/tags/list?n=1000", &[page]);
    let seen = server.pass().await;
    assert_eq!(seen.repository("hidden"), None);
    assert_eq!(seen.unseen(), ["hidden"]);
}

#[tokio::test]
async fn documents_that_are_no_good_become_dead_letters_with_their_place() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    let damaged = digest("what was pushed");
    server.answers(&format!("GET /v2/a/manifests/{damaged}"), &[Answer::json(&json!({"layers": []}))]);
    let huge = digest("huge");
    let body = vec![b' '; (16 << 20) + 1];
    server.answers(&format!("GET /v2/a/manifests/{huge}"), &[Answer(200, Vec::new(), body)]);
    let fewer = server.manifest(
        "a",
        &json!({"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("none")}}),
    );
    let tags = [("damaged", damaged), ("fewer", fewer), ("good", image), ("huge", huge)];
    server.repositories(&["a"]).tags("a", &tags);
    let seen = server.pass().await;
    let mut unreadable = seen.unreadable();
    unreadable.sort_unstable();
    let reason = |digest: Digest| {
        let found = unreadable.iter().find(|(place, _)| *place == format!("a@{digest}"));
        found.map(|(_, reason)| reason.clone()).unwrap_or_default()
    };
    assert_eq!(unreadable.len(), 3);
    assert!(reason(damaged).contains("was changed or damaged"), "{}", reason(damaged));
    assert!(reason(huge).contains("is larger than"), "{}", reason(huge));
    assert!(reason(fewer).contains("the registry does not have"), "{}", reason(fewer));
    // The images that were published before stay: they exist after all.
    assert_eq!(seen.listed_images().len(), 4);
    let none = |tag: &str| (tag.to_owned(), 0);
    let tags = seen.repository("a").unwrap();
    assert_eq!(tags, [none("damaged"), none("fewer"), ("good".to_owned(), 1), none("huge")]);
}

#[tokio::test]
async fn an_index_is_its_images_without_what_is_none_or_is_missing() {
    let server = Server::start().await;
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let missing = digest("missing");
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let base = json!({"org.opencontainers.image.base.name": "base:1"});
    let inner = server.manifest("a", &json!({"mediaType": INDEX, "manifests": [{"digest": other}]}));
    let outer = server.manifest(
        "a",
        &json!({"mediaType": INDEX, "annotations": base, "manifests": [
            {"digest": one, "mediaType": MANIFEST},
            {"digest": digest("attestation"), "platform": unknown},
            {"digest": inner, "mediaType": INDEX},
            {"digest": missing, "mediaType": MANIFEST},
        ]}),
    );
    let helm = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest("chart")});
    let chart = server.manifest("a", &json!({"mediaType": MANIFEST, "config": helm}));
    let cosign = format!("sha256-{}.sig", one.hex());
    server
        .repositories(&["a"])
        .tags("a", &[("chart", chart), ("multi", outer), (&cosign, digest("signature"))]);
    let seen = server.pass().await;
    assert_eq!(seen.images(), [one, other]);
    assert_eq!(seen.repository("a").unwrap(), [("multi".to_owned(), 2)]);
    assert_eq!(seen.unreadable()[0].0, format!("a@{missing}"));
    let not_images = |seen: &&Observation| matches!(seen, Observation::NotAnImage(_));
    assert_eq!(seen.observations.iter().filter(not_images).count(), 3);
    assert_eq!(server.asked(&format!("HEAD /v2/a/manifests/{cosign}")), 0);
    let claims = |seen: &Observation| match seen {
        Observation::Image(image) => image.claims.first().and_then(|claim| claim.name.clone()),
        _ => None,
    };
    assert_eq!(seen.observations.iter().filter_map(claims).collect::<Vec<_>>(), ["base:1", "base:1"]);
}

#[tokio::test]
async fn a_registry_with_tokens_is_asked_for_one_for_each_repository() {
    let server = Server::start().await;
    server.wants_tokens();
    let (one, other) = (server.image("team/a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["team/a", "b"]).tags("team/a", &[("1", one)]).tags("b", &[("1", other)]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_images().len(), 2);
    assert_eq!(server.asked("GET /token"), 2);
}
