//! Tests of registries whose answers differ from the specification, and whose content is sound all the same.

use clade::observe::Observation;
use clade::oci::Digest;
use serde_json::{Value, json};

use super::MANIFEST;
use super::server::{Answer, Seen, Server};
use crate::support::digest;

#[tokio::test]
async fn a_registry_that_answers_head_in_any_wrong_way_is_asked_by_get() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    let answers = [Answer::status(404), Answer::status(405), Answer::status(501), Answer::status(200)];
    let odd = [Answer::status(200).with("docker-content-digest", "none"), Answer::status(403)];
    let content = server.answer_to(&format!("GET /v2/a/manifests/{image}"));
    let names: Vec<String> = (0..6).map(|number| format!("tag{number}")).collect();
    for (name, answer) in names.iter().zip(answers.into_iter().chain(odd)) {
        server.answers(&format!("HEAD /v2/a/manifests/{name}"), &[answer]);
        server.answers(&format!("GET /v2/a/manifests/{name}"), std::slice::from_ref(&content));
    }
    let list = json!({"name": "a", "tags": names});
    server.repositories(&["a"]).answers("GET /v2/a/tags/list?n=1000", &[Answer::json(&list)]);
    let tags: Vec<_> = names.iter().map(|name| (name.clone(), 1)).collect();
    assert_eq!(server.pass().await.repository("a").unwrap(), tags);
}

#[tokio::test]
async fn entries_of_lists_that_are_no_names_cost_no_other_entry() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.tags("a", &[("1", image)]);
    let odd = json!([null, "a", 7, {"name": "b"}, "../c"]);
    server.answers("GET /v2/_catalog?n=1000", &[Answer::json(&json!({"repositories": odd}))]);
    let tags = json!({"name": "a", "tags": [null, "1", false, ["2"], "-"]});
    server.answers("GET /v2/a/tags/list?n=1000", &[Answer::json(&tags)]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_repositories(), ["a"]);
    assert_eq!(seen.repository("a").unwrap(), [("1".to_owned(), 1)]);
}

#[tokio::test]
async fn what_is_no_list_is_no_list_without_an_entry() {
    let pages = [
        json!({"message": "upstream is busy"}),
        json!({"errors": [{"code": "UNAVAILABLE"}]}),
        json!([]),
        json!({}),
        json!("ok"),
        json!({"name": "b", "tags": ["1"]}),
        json!({"name": "a", "tags": "1"}),
        json!({"name": "a", "tags": {}}),
        json!({"tags": null}),
    ];
    for page in pages {
        let server = Server::start().await;
        server.repositories(&["a"]).answers("GET /v2/a/tags/list?n=1000", &[Answer::json(&page)]);
        let seen = server.pass().await;
        assert!(seen.repository("a").is_none() && !seen.is_whole(), "{page}");
    }
    for page in [json!({"message": "upstream is busy"}), json!([]), json!({"repositories": "a"})] {
        let server = Server::start().await;
        server.answers("GET /v2/_catalog?n=1000", &[Answer::json(&page)]);
        assert_eq!(server.pass().await.observations.len(), 0, "{page}");
    }
}

#[tokio::test]
async fn a_list_that_was_emptied_is_one() {
    let server = Server::start().await;
    server.repositories(&["a"]);
    server.answers("GET /v2/a/tags/list?n=1000", &[Answer::json(&json!({"name": "a", "tags": null}))]);
    assert_eq!(server.pass().await.repository("a"), Some(Vec::new()));
}

#[tokio::test]
async fn a_page_for_browsers_is_nothing_that_a_tag_points_at() {
    let server = Server::start().await;
    let page = Answer(200, Vec::new(), b"<html>sign in</html>".to_vec());
    let list = json!({"name": "a", "tags": ["1"]});
    server.repositories(&["a"]).answers("GET /v2/a/tags/list?n=1000", &[Answer::json(&list)]);
    server.answers("HEAD /v2/a/manifests/1", std::slice::from_ref(&page));
    server.answers("GET /v2/a/manifests/1", &[page]);
    let seen = server.pass().await;
    assert_eq!(
        (seen.repository("a").unwrap(), seen.unseen()),
        (vec![("1".to_owned(), 0)], vec!["a".to_owned()])
    );
}

fn not_images(seen: &Seen) -> Vec<&'static str> {
    let what = |seen: &Observation| match seen {
        Observation::NotAnImage(what) => Some(*what),
        _ => None,
    };
    seen.observations.iter().filter_map(what).collect()
}

/// Adds a manifest with a config and layers of these media types.
fn manifest(server: &Server, config: (&str, &Value), layers: &[&str]) -> Digest {
    let content = Answer::json(config.1);
    let digest_of = Digest::of(&content.2);
    server.answers(&format!("GET /v2/a/blobs/{digest_of}"), &[content]);
    let layers: Vec<Value> =
        layers.iter().map(|told| json!({"mediaType": told, "digest": digest(told), "size": 1})).collect();
    let config = json!({"mediaType": config.0, "digest": digest_of});
    server.manifest("a", &json!({"mediaType": MANIFEST, "config": config, "layers": layers}))
}

#[tokio::test]
async fn signatures_attestations_and_build_caches_are_no_images_however_they_are_tagged() {
    let server = Server::start().await;
    const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [digest("x")]}});
    let tags = [
        ("att", manifest(&server, (CONFIG, &config), &["application/vnd.in-toto+json"])),
        ("sig", manifest(&server, (CONFIG, &config), &["application/vnd.dev.cosign.simplesigning.v1+json"])),
        ("bill", manifest(&server, (CONFIG, &config), &["text/spdx+json"])),
        ("cache", manifest(&server, ("application/vnd.buildkit.cacheconfig.v0", &json!({})), &["tar"])),
        ("blob", manifest(&server, ("application/octet-stream", &json!({"files": 3})), &["tar"])),
        (
            "cache-index",
            server.manifest(
                "a",
                &json!({"manifests": [
                    {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": digest("layer")},
                    {"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": digest("cache")},
                ]}),
            ),
        ),
    ];
    server.repositories(&["a"]).tags("a", &tags);
    let seen = server.pass().await;
    assert_eq!((seen.images(), seen.unreadable()), (Vec::new(), Vec::new()));
    assert_eq!(not_images(&seen).len(), tags.len(), "{:?}", not_images(&seen));
}

#[tokio::test]
async fn images_of_old_tools_are_images_whatever_they_call_their_configs() {
    let server = Server::start().await;
    let names = ["", "application/octet-stream", "application/json", "text/html", "text/plain"];
    let tags: Vec<(String, Digest)> = (0..)
        .zip(names)
        .map(|(number, told)| {
            let config = json!({"os": "linux", "architecture": "amd64", "container": format!("{number}"),
                "created": "yesterday", "rootfs": {"diff_ids": [digest("x")]}});
            (format!("tag{number}"), manifest(&server, (told, &config), &["tar"]))
        })
        .collect();
    let tags: Vec<(&str, Digest)> = tags.iter().map(|(name, digest)| (name.as_str(), *digest)).collect();
    server.repositories(&["a"]).tags("a", &tags);
    assert_eq!(server.pass().await.images().len(), names.len());
}

#[tokio::test]
async fn a_manifest_of_schema_1_is_told_as_what_it_is() {
    let server = Server::start().await;
    let old = digest("without its signatures");
    let content = json!({"schemaVersion": 1, "name": "a", "tag": "old", "fsLayers": [], "signatures": [{}]});
    server.answers(&format!("GET /v2/a/manifests/{old}"), &[Answer::json(&content)]);
    server.repositories(&["a"]).tags("a", &[("old", old)]);
    let unreadable = server.pass().await.unreadable();
    assert!(unreadable[0].1.contains("schema 1"), "{unreadable:?}");
}

#[tokio::test]
async fn an_entry_of_an_index_that_is_none_costs_no_other_entry() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    let index = server.manifest(
        "a",
        &json!({"annotations": null, "manifests": [
            null,
            {"mediaType": MANIFEST},
            {"mediaType": MANIFEST, "digest": "sha256:none"},
            {"mediaType": MANIFEST, "digest": image, "annotations": null, "platform": "linux", "size": "large"},
            {"mediaType": "application/vnd.example.thing.v1", "digest": digest("thing")},
        ]}),
    );
    server.repositories(&["a"]).tags("a", &[("1", index)]);
    let seen = server.pass().await;
    assert_eq!(seen.repository("a").unwrap(), [("1".to_owned(), 1)]);
    assert_eq!((seen.unreadable().len(), not_images(&seen).len()), (1, 1));
}
