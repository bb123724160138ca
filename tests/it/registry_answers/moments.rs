//! Answers that are wrong for a moment, as a proxy gives them: clade believes none of them for longer.

use std::collections::{BTreeSet, HashSet};

use clade::oci::Digest;
use serde_json::{Value, json};

use super::INDEX;
use super::server::{Answer, Server};
use crate::registry_size::clade::Clade;
use crate::support::digest;

/// An error of a registry.
fn error(status: u16, code: &str) -> Answer {
    let said = json!({"errors": [{"code": code, "message": "so it is"}]});
    Answer(status, Vec::new(), said.to_string().into_bytes())
}

/// Runs clade until it has come to the end of this many passes.
async fn passes(clade: &Clade, server: &Server, passes: usize) {
    clade.run_until(&server.address(), || server.passes() > passes).await;
}

fn tags_of(clade: &Clade, server: &Server) -> BTreeSet<String> {
    let prefix = format!("{}/", server.address());
    clade.tags().into_keys().map(|name| name.strip_prefix(&prefix).unwrap().to_owned()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_document_with_other_content_than_its_digest_says_is_asked_for_again() {
    for wrong in [error(200, "UNAVAILABLE"), Answer::json(&json!({"layers": []})), Answer::status(200)] {
        let server = Server::start().await;
        let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
        server.repositories(&["a"]).tags("a", &[("1", one), ("2", other)]);
        let manifest = format!("GET /v2/a/manifests/{one}");
        let read: Value =
            serde_json::from_slice(&server.answer_to(&format!("GET /v2/a/manifests/{other}")).2).unwrap();
        let config = format!("GET /v2/a/blobs/{}", read["config"]["digest"].as_str().unwrap());
        for place in [manifest, config] {
            let right = server.answer_to(&place);
            server.answers(&place, &[wrong.clone(), right]);
        }
        let seen = server.passes_until(4, |seen| seen.images().len() == 2).await;
        assert_eq!(seen.images().into_iter().collect::<HashSet<Digest>>(), HashSet::from([one, other]));
        assert_eq!(seen.unreadable().len(), 2, "each is told once");
    }
}

#[tokio::test]
async fn a_repository_that_is_not_found_once_and_refused_then_is_still_there() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b"]).tags("a", &[("1", one)]).tags("b", &[("1", other)]);
    let list = "GET /v2/a/tags/list?n=1000";
    let there = server.answer_to(list);
    server.answers(list, &[there, error(404, "NAME_UNKNOWN"), error(403, "DENIED")]);
    passes(&clade, &server, 5).await;
    assert_eq!(tags_of(&clade, &server), names(&["a:1", "b:1"]));
    assert_eq!(clade.images(), HashSet::from([one, other]));
}

#[tokio::test]
async fn a_repository_that_is_missing_from_two_lists_is_there_if_one_between_them_has_it() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b"]).tags("a", &[("1", one)]).tags("b", &[("1", other)]);
    let list = |names: &[&str]| Answer::json(&json!({"repositories": names}));
    let (both, one_of_them) = (list(&["a", "b"]), list(&["b"]));
    let lists = [both.clone(), one_of_them.clone(), both.clone(), one_of_them, both];
    server.answers("GET /v2/_catalog?n=1000", &lists);
    let tags = "GET /v2/a/tags/list?n=1000";
    let there = server.answer_to(tags);
    server.answers(tags, &[there, error(403, "DENIED")]);
    passes(&clade, &server, 5).await;
    assert_eq!(tags_of(&clade, &server), names(&["a:1", "b:1"]));
    assert_eq!(clade.images(), HashSet::from([one, other]));
}

#[tokio::test]
async fn an_error_with_status_200_is_nothing_that_a_tag_points_at() {
    let pages = [
        json!({"message": "upstream is busy"}),
        json!({"errors": [{"code": "UNAVAILABLE"}]}),
        json!([]),
        json!({}),
    ];
    for page in pages {
        let server = Server::start().await;
        let image = server.image("a", &["A"]);
        server.repositories(&["a"]).tags("a", &[("1", image)]);
        server.answers("HEAD /v2/a/manifests/1", &[Answer::status(200)]);
        server.answers("GET /v2/a/manifests/1", &[Answer::json(&page)]);
        let seen = server.pass().await;
        let tags = seen.repository("a").unwrap();
        assert_eq!((tags, seen.unseen()), (vec![("1".to_owned(), 0)], vec!["a".to_owned()]), "{page}");
        assert_eq!(server.asked("GET /v2/a/manifests/sha256"), 0, "{page}");
    }
}

#[tokio::test]
async fn a_digest_that_a_claim_names_and_that_is_not_found_once_is_asked_for_again() {
    let server = Server::start().await;
    let (new, old) = (server.image("a", &["B"]), server.image("a", &["A"]));
    server.repositories(&["a"]).tags("a", &[("12", new)]).wants("a", old);
    let content = format!("GET /v2/a/manifests/{old}");
    let there = server.answer_to(&content);
    server.answers(&content, &[error(404, "MANIFEST_UNKNOWN"), there]);
    let seen = server.passes_until(4, |seen| seen.images().contains(&old)).await;
    assert!(seen.images().contains(&old));
}

#[tokio::test]
async fn a_tag_that_moves_to_an_index_whose_images_are_refused_is_not_gone() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let index = server.manifest("a", &json!({"mediaType": INDEX, "manifests": [{"digest": other}]}));
    server.repositories(&["a"]).tags("a", &[("1", one), ("2", one), ("3", one)]);
    passes(&clade, &server, 2).await;
    server.tags("a", &[("1", index), ("2", one), ("3", one)]);
    server.answers(&format!("GET /v2/a/manifests/{other}"), &[error(403, "DENIED")]);
    passes(&clade, &server, server.passes() + 2).await;
    assert_eq!(tags_of(&clade, &server), names(&["a:1", "a:2", "a:3"]));
}

#[tokio::test]
async fn a_move_to_what_the_registry_does_not_have_counts_when_a_second_pass_sees_it_too() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, nothing) = (server.image("a", &["A"]), digest("nothing"));
    server.repositories(&["a"]).tags("a", &[("1", one)]);
    let name = format!("{}/a:1", server.address());
    let head = |to: Digest| Answer::status(200).with("docker-content-digest", to.to_string());
    server
        .answers("HEAD /v2/a/manifests/1", &[head(one), head(nothing), head(one), head(nothing), head(one)]);
    for end in 2..6 {
        passes(&clade, &server, end).await;
        assert_eq!(clade.tags()[&name], (one, BTreeSet::from([one])));
    }
    server.answers("HEAD /v2/a/manifests/1", &[head(nothing)]);
    passes(&clade, &server, server.passes() + 3).await;
    assert_eq!(clade.tags()[&name], (nothing, BTreeSet::new()));
}
