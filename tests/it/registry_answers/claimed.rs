//! The digests that images claim as their base, and that no tag points at any more.

use clade::observe::{Observation, Polled};
use clade::oci::Digest;
use clade::record::Claim;
use clade::record::image::Evidence;
use serde_json::json;

use super::server::{Answer, Server};
use super::{INDEX, MANIFEST};
use crate::support::digest;

#[tokio::test]
async fn a_wanted_digest_is_read_from_its_repository_and_stays() {
    let server = Server::start().await;
    let (new, old) = (server.image("base", &["B"]), server.image("base", &["A"]));
    server.repositories(&["base", "app"]).tags("base", &[("12", new)]).tags("app", &[]);
    let head = Answer::status(200).with("docker-content-digest", old.to_string());
    server.answers(&format!("HEAD /v2/base/manifests/{old}"), &[head]);
    let (gone, elsewhere) = (digest("gone"), digest("elsewhere"));
    let unknown = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
    let unknown = Answer(404, Vec::new(), unknown.to_string().into_bytes());
    server.answers(&format!("GET /v2/base/manifests/{gone}"), &[unknown]);
    let fails = digest("fails");
    server.answers(&format!("HEAD /v2/base/manifests/{fails}"), &[Answer::status(500)]);
    server.answers(&format!("GET /v2/base/manifests/{fails}"), &[Answer::status(500)]);
    server.wants("base", fails).wants("base", old).wants("base", gone).wants("other", elsewhere);
    let seen = server.passes_until(4, |_| false).await;
    assert!(seen.images().contains(&old));
    let reports = seen.observations.iter().filter_map(|seen| match seen {
        Observation::Polled { seen: Polled::Everything { images, .. }, .. } => Some(images),
        _ => None,
    });
    let reports: Vec<_> = reports.collect();
    assert!(!reports.is_empty() && reports.iter().all(|images| images.contains(&old)), "{reports:?}");
    // What is not there is asked for twice, is no dead letter, and nobody else is asked for anything.
    assert_eq!(server.asked(&format!("HEAD /v2/base/manifests/{gone}")), 2);
    assert_eq!(seen.unreadable(), []);
    assert_eq!(server.asked("HEAD /v2/other/") + server.asked("GET /v2/other/"), 0);
}

#[tokio::test]
async fn an_image_that_an_index_calls_an_attestation_is_an_image_where_a_tag_leads_to_it() {
    let server = Server::start().await;
    let (image, hidden) = (server.image("app", &["A"]), server.image("app", &["B"]));
    let platform =
        |os: &str| json!({"os": os, "architecture": if os == "linux" { "amd64" } else { "unknown" }});
    let about =
        json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image});
    let entries = json!([
        {"mediaType": MANIFEST, "digest": image, "platform": platform("linux")},
        {"mediaType": MANIFEST, "digest": hidden, "platform": platform("unknown"), "annotations": about},
    ]);
    let index = server.manifest("app", &json!({"mediaType": INDEX, "manifests": entries}));
    server.repositories(&["app"]).tags("app", &[("1", index)]);
    let list = |tags: &[&str]| Answer::json(&json!({"name": "app", "tags": tags}));
    server.tags("app", &[("1", index), ("2", hidden)]);
    server.answers("GET /v2/app/tags/list?n=1000", &[list(&["1"]), list(&["1", "2"])]);
    let seen = server.passes_until(4, |seen| seen.images().contains(&hidden)).await;
    assert!(seen.images().contains(&hidden));
}

#[tokio::test]
async fn an_attestation_that_fails_costs_its_image_nothing() {
    let server = Server::start().await;
    let image = server.image("app", &["A"]);
    let attestation = digest("attestation");
    server.answers(&format!("GET /v2/app/manifests/{attestation}"), &[Answer::status(500)]);
    let about =
        json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image});
    let entries = json!([
        {"mediaType": MANIFEST, "digest": image, "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": MANIFEST, "digest": attestation, "annotations": about},
    ]);
    let index = server.manifest("app", &json!({"mediaType": INDEX, "manifests": entries}));
    server.repositories(&["app"]).tags("app", &[("1", index)]);
    let seen = server.pass().await;
    assert_eq!(seen.repository("app").unwrap(), [("1".to_owned(), 1)]);
}

/// As `docker buildx build --provenance=true` pushes it: an index of the image and of an attestation about it.
#[tokio::test]
async fn the_materials_in_an_attestation_are_claims_of_its_image_and_the_attestation_is_no_image() {
    let server = Server::start().await;
    let image = server.image("app", &["A", "X"]);
    let old = digest("old base");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"materials": [
            {"uri": "pkg:docker/docker/dockerfile@1", "digest": {"sha256": "ab".repeat(32)}},
            {"uri": "pkg:docker/base@12?platform=linux%2Famd64", "digest": {"sha256": old.hex()}},
        ]},
    });
    let answer = Answer::json(&statement);
    let blob = Digest::of(&answer.2);
    server.answers(&format!("GET /v2/app/blobs/{blob}"), &[answer]);
    let config =
        Answer::json(&json!({"architecture": "unknown", "os": "unknown", "rootfs": {"diff_ids": []}}));
    let layer = json!({"mediaType": "application/vnd.in-toto+json", "digest": blob, "size": 1,
        "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}});
    let attestation = server.manifest(
        "app",
        &json!({"mediaType": MANIFEST, "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(&config.2)}, "layers": [layer]}),
    );
    let about = |image: Digest| {
        json!({"mediaType": MANIFEST, "digest": attestation,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image}})
    };
    let platform = json!({"os": "linux", "architecture": "amd64"});
    let entry = json!({"mediaType": MANIFEST, "digest": image, "platform": platform});
    let index = server.manifest("app", &json!({"mediaType": INDEX, "manifests": [entry, about(image)]}));
    server.repositories(&["app"]).tags("app", &[("1", index)]);
    let seen = server.pass().await;
    assert_eq!(seen.repository("app").unwrap(), [("1".to_owned(), 1)]);
    assert_eq!(seen.listed_images(), [image]);
    let claims = seen.observations.iter().filter_map(|seen| match seen {
        Observation::Claim(of, claim) => Some((*of, claim.clone())),
        _ => None,
    });
    let claim = Claim {
        evidence: Evidence::Provenance,
        name: Some("base:12".to_owned()),
        digest: Some(old.to_string()),
    };
    assert_eq!(claims.collect::<Vec<_>>(), [(image, claim)]);
    assert_eq!(seen.unreadable(), []);
}
