//! A start asks a registry for nothing that an earlier one has published.

use std::collections::{BTreeSet, HashSet};

use clade::observe::Observation;
use clade::oci::Digest;
use serde_json::{Value, json};

use super::server::{Answer, Server};
use super::{INDEX, MANIFEST};
use crate::registry_size::clade::Clade;
use crate::support::{digest, tag};

/// Starts clade, and stops it once it has come to the end of this many passes.
async fn start(clade: &Clade, server: &Server, passes: usize) {
    let enough = server.passes() + passes;
    clade.run_until(&server.address(), || server.passes() > enough).await;
}

fn index(server: &Server, images: &[Digest]) -> Digest {
    let entries: Vec<Value> =
        images.iter().map(|image| json!({"mediaType": MANIFEST, "digest": image})).collect();
    server.manifest("a", &json!({"mediaType": INDEX, "manifests": entries}))
}

/// The images that a tag leads to on the log.
fn images_of(clade: &Clade, server: &Server, tag: &str) -> Option<BTreeSet<Digest>> {
    clade.tags().remove(&format!("{}/{tag}", server.address())).map(|(_, images)| images)
}

fn documents(server: &Server) -> usize {
    server.asked("GET /v2/a/manifests/") + server.asked("GET /v2/a/blobs/")
}

#[tokio::test]
async fn a_start_asks_where_each_tag_points_and_reads_no_document_again() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let both = index(&server, &[one, other]);
    server.repositories(&["a"]).tags("a", &[("1", one), ("2", both), ("3", one)]);
    start(&clade, &server, 2).await;
    assert_eq!(documents(&server), 5);
    let heads = server.asked("HEAD /v2/a/manifests/");
    start(&clade, &server, 2).await;
    assert_eq!(documents(&server), 5);
    assert!(server.asked("HEAD /v2/a/manifests/") >= heads + 6);
    assert_eq!(images_of(&clade, &server, "a:2"), Some(BTreeSet::from([one, other])));
    // clade reads the new document, and nothing else.
    let new = server.image("a", &["C"]);
    server.tags("a", &[("1", new), ("2", both), ("3", one)]);
    start(&clade, &server, 2).await;
    assert_eq!(documents(&server), 7);
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([new])));
}

#[tokio::test]
async fn a_part_of_an_index_that_was_withheld_is_asked_for_after_a_restart() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let both = index(&server, &[one, other]);
    server.repositories(&["a"]).tags("a", &[("1", both)]);
    let path = format!("GET /v2/a/manifests/{other}");
    let there = server.answer_to(&path);
    server.answers(&path, &[Answer::status(404)]);
    start(&clade, &server, 2).await;
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([one])));
    server.answers(&path, &[there]);
    start(&clade, &server, 2).await;
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([one, other])));
    // The other image was known: of it neither the manifest nor the config is read again.
    assert_eq!(server.asked(&format!("GET /v2/a/manifests/{one}")), 1);
}

#[tokio::test]
async fn what_vanished_while_clade_was_down_is_gone_after_the_second_look() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b"]).tags("a", &[("1", one), ("2", one)]).tags("b", &[("1", other)]);
    start(&clade, &server, 2).await;
    assert_eq!(clade.tags().len(), 3);
    server.repositories(&["a"]).tags("a", &[("2", one)]);
    start(&clade, &server, 4).await;
    assert_eq!(images_of(&clade, &server, "a:2"), Some(BTreeSet::from([one])));
    assert_eq!(clade.tags().len(), 1);
    assert_eq!(clade.images(), HashSet::from([one]));
}

#[tokio::test]
async fn a_target_that_somebody_else_has_told_of_is_no_knowledge_of_the_registry() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    server.repositories(&["a"]).tags("a", &[("1", one)]);
    start(&clade, &server, 2).await;
    // The registry has it with two images; a file knows of one.
    let both = index(&server, &[one, other]);
    server.tags("a", &[("1", both)]);
    let Observation::Tag(mut told) = tag(&format!("{}/a:1", server.address()), 4_000_000_000, &["x"]) else {
        panic!("it is a tag")
    };
    told.items[0].digest = Some(both);
    told.items[0].images[0].digest = one;
    clade.import(Observation::Tag(told));
    start(&clade, &server, 2).await;
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([one, other])));
}

#[tokio::test]
async fn an_attestation_that_failed_is_read_after_a_restart() {
    let server = Server::start().await;
    let clade = Clade::new();
    let image = server.image("a", &["A"]);
    let attestation = server.manifest("a", &json!({"mediaType": MANIFEST, "layers": []}));
    let about =
        json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image});
    let entries = json!([
        {"mediaType": MANIFEST, "digest": image},
        {"mediaType": MANIFEST, "digest": attestation, "annotations": about},
    ]);
    let index = server.manifest("a", &json!({"mediaType": INDEX, "manifests": entries}));
    server.repositories(&["a"]).tags("a", &[("1", index)]);
    let path = format!("GET /v2/a/manifests/{attestation}");
    let there = server.answer_to(&path);
    server.answers(&path, &[Answer::status(403), there]);
    for asked in [1, 2, 2] {
        start(&clade, &server, 2).await;
        assert_eq!(server.asked(&path), asked);
    }
}

#[tokio::test]
async fn an_image_that_a_claim_names_stays_after_a_restart_as_long_as_somebody_wants_it() {
    let server = Server::start().await;
    let mut clade = Clade::new();
    let (new, old) = (server.image("a", &["B"]), server.image("a", &["A"]));
    server.repositories(&["a"]).tags("a", &[("12", new)]);
    let path = format!("HEAD /v2/a/manifests/{old}");
    server.answers(&path, &[Answer::status(200).with("docker-content-digest", old.to_string())]);
    let name = format!("{}/a", server.address());
    clade.wanted = Some([(name, BTreeSet::from([old]))].into());
    for _ in 0..2 {
        start(&clade, &server, 3).await;
        assert_eq!(clade.images(), HashSet::from([new, old]));
        assert_eq!((documents(&server), server.asked(&path)), (4, 1));
    }
    clade.wanted = Some([].into());
    start(&clade, &server, 4).await;
    assert_eq!(clade.images(), HashSet::from([new]));
}

#[tokio::test]
async fn an_index_that_fails_after_a_restart_is_asked_for_in_the_next_pass() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let both = index(&server, &[one, other]);
    server.repositories(&["a"]).tags("a", &[("1", both)]);
    let (part, whole) = (format!("GET /v2/a/manifests/{other}"), format!("GET /v2/a/manifests/{both}"));
    let (part_is_there, whole_is_there) = (server.answer_to(&part), server.answer_to(&whole));
    server.answers(&part, &[Answer::status(404)]);
    start(&clade, &server, 2).await;
    server
        .answers(&part, &[part_is_there])
        .answers(&whole, &[Answer::status(501), Answer::status(501), whole_is_there]);
    start(&clade, &server, 1).await;
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([one])));
    start(&clade, &server, 2).await;
    assert_eq!(images_of(&clade, &server, "a:1"), Some(BTreeSet::from([one, other])));
}

#[tokio::test]
async fn a_document_that_is_refused_for_ever_keeps_no_image_that_was_deleted_beside_it() {
    let server = Server::start().await;
    let clade = Clade::new();
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let refused = digest("refused");
    server.repositories(&["a"]).tags("a", &[("1", one), ("2", refused), ("3", other)]);
    start(&clade, &server, 2).await;
    assert_eq!(clade.images(), HashSet::from([one, other]));
    server.tags("a", &[("2", refused), ("3", other)]);
    start(&clade, &server, 4).await;
    assert_eq!(clade.tags().len(), 2);
    assert_eq!(clade.images(), HashSet::from([other]));
}
