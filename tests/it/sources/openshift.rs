//! Lists and files of OpenShift's objects.

use clade::oci::Digest;
use clade::query::{Filter, Page};
use serde_json::{Value, json};

use super::{Bench, Imported};
use crate::support::{class, digest};
use crate::workers::publisher;

/// Returns a stream whose tag has moved from `old` to a manifest list of two platforms.
fn openshift() -> Vec<Value> {
    let layers = |names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| json!({"name": digest(name), "size": 1})).collect()
    };
    let image = |name: &str, order: &str, architecture: &str, names: &[&str]| {
        json!({
            "apiVersion": "image.openshift.io/v1", "kind": "Image",
            "metadata": {"name": digest(name), "annotations": {"image.openshift.io/dockerLayersOrder": order}},
            "dockerImageReference": format!("registry/base/rhel7@{}", digest(name)),
            "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "dockerImageMetadata": {"Architecture": architecture, "Os": "linux"},
            "dockerImageLayers": layers(names),
        })
    };
    let list = json!({
        "kind": "Image", "metadata": {"name": digest("list")}, "dockerImageReference": "registry/base/rhel7",
        "dockerImageManifests": [
            {"digest": digest("amd"), "os": "linux", "architecture": "amd64"},
            {"digest": digest("arm"), "os": "linux", "architecture": "arm64"},
        ],
    });
    let event = |created: &str, image: &str| json!({"created": created, "image": digest(image), "dockerImageReference": ""});
    let stream = json!({
        "kind": "ImageStream", "metadata": {"name": "rhel7", "namespace": "base"},
        "status": {"tags": [{"tag": "latest", "items": [
            event("2020-02-01T00:00:00Z", "list"), event("2020-01-01T00:00:00Z", "old"),
        ]}]},
    });
    let build_config = json!({
        "kind": "BuildConfig", "metadata": {"name": "api", "namespace": "payments"},
        "spec": {"strategy": {"type": "Docker", "dockerStrategy": {"from": {"kind": "ImageStreamTag", "name": "rhel7:latest", "namespace": "base"}}},
                 "output": {"to": {"kind": "ImageStreamTag", "name": "api:latest"}}, "triggers": [{"type": "ImageChange", "imageChange": {}}]},
        "status": {"lastVersion": 3},
    });
    vec![
        stream,
        list,
        image("old", "ascending", "amd64", &["A"]),
        image("amd", "ascending", "amd64", &["A2"]),
        image("arm", "ascending", "arm64", &["B2"]),
        image("app", "descending", "amd64", &["X", "A"]),
        build_config,
        json!({"kind": "ConfigMap", "metadata": {"name": "other"}}),
    ]
}

fn check_openshift(imported: &Imported) {
    assert_eq!(imported.dead_letters(), []);
    assert_eq!((imported.counts.images, imported.counts.tags, imported.counts.build_configs), (4, 1, 1));
    let mut publisher = publisher(&imported.engine);
    publisher.apply_class(&class("rhel7", "base/rhel7:latest", &[])).unwrap();
    publisher.flush().unwrap();
    let query = imported.query();
    assert_eq!(query.images("base/rhel7:latest").unwrap(), [digest("amd"), digest("arm")]);
    let status = query.list_classes(Some("rhel7")).unwrap().remove(0).status;
    assert_eq!(status.current.unwrap().images.len(), 2);
    assert_eq!(status.history.len(), 1, "what the stream had before");
    let outdated = Filter {
        class: Some("rhel7".to_owned()),
        state: Some(clade::record::State::Outdated),
        ..Filter::default()
    };
    let members: Vec<Digest> =
        query.list_images(&outdated, &Page::default()).unwrap().iter().map(|image| image.digest).collect();
    assert!(members.contains(&digest("app")) && members.contains(&digest("old")), "{members:?}");
}

#[test]
fn a_list_of_openshift_objects_is_read_whole() {
    for kind in ["List", "ImageList"] {
        let bench = Bench::new();
        let list = json!({"apiVersion": "v1", "kind": kind, "items": openshift()});
        check_openshift(&bench.file("all.json", serde_json::to_vec_pretty(&list).unwrap()).import());
    }
}

#[test]
fn openshift_objects_are_read_one_a_file_in_any_order_of_files() {
    for is_turned in [false, true] {
        let bench = Bench::new();
        let objects = openshift();
        for (number, object) in objects.iter().enumerate() {
            let name = if is_turned { objects.len() - number } else { number };
            bench.file(&format!("deep/{name}.json"), serde_json::to_vec_pretty(object).unwrap());
        }
        check_openshift(&bench.import());
    }
}

#[test]
fn a_manifest_list_that_is_seen_after_the_tags_that_point_at_it_resolves_them() {
    let bench = Bench::new();
    let (streams, others): (Vec<Value>, Vec<Value>) =
        openshift().into_iter().partition(|object| object["kind"] == "ImageStream");
    bench.file("1.json", serde_json::to_vec(&json!({"kind": "List", "items": streams})).unwrap());
    drop(bench.import());
    bench.file("2.json", serde_json::to_vec(&json!({"kind": "List", "items": others})).unwrap());
    let imported = bench.import();
    assert_eq!(imported.query().images("base/rhel7:latest").unwrap(), [digest("amd"), digest("arm")]);
    drop(imported);
    let again = bench.import().counts;
    assert_eq!((again.images, again.tags), (0, 0));
}

fn event(created: &str, image: &str) -> Value {
    let image = if image.is_empty() { String::new() } else { digest(image).to_string() };
    json!({"created": created, "image": image, "dockerImageReference": "quay.io/team/app:1"})
}

fn stream(events: &[Value]) -> Value {
    json!({"kind": "ImageStream", "metadata": {"name": "app", "namespace": "team"},
           "status": {"tags": [null, {"tag": "1", "items": events}, {"items": []}]}})
}

fn object(name: &str, layer: &str) -> Value {
    json!({"kind": "Image", "metadata": {"name": digest(name), "labels": {"tier": null}, "annotations": null},
           "dockerImageReference": null, "dockerImageMetadata": {"Created": "", "Architecture": null},
           "dockerImageLayers": [{"name": digest(layer), "size": -1, "mediaType": null}]})
}

fn list(items: &[Value]) -> Imported {
    let bench = Bench::new();
    bench.file("list.json", json!({"kind": "List", "items": items}).to_string()).import()
}

#[test]
fn the_first_event_of_a_tag_is_the_current_one_whatever_its_time() {
    let (old, new) = (event("2024-01-01T00:00:00Z", "old"), event("2024-02-01T00:00:00Z", "new"));
    let items = [object("old", "A"), object("new", "B")];
    for events in [vec![old.clone(), new.clone()], vec![old.clone(), new.clone(), old.clone()]] {
        let imported = list(&[&items[..], &[stream(&events)]].concat());
        assert_eq!(imported.query().images("team/app:1").unwrap(), [digest("old")]);
        assert_eq!(imported.dead_letters().len(), 1, "the two entries without a tag, told once");
    }
    let back = [new.clone(), old, new];
    let imported = list(&[&items[..], &[stream(&back)]].concat());
    assert_eq!(imported.query().images("team/app:1").unwrap(), [digest("new")]);
    let odd = [event("", "new"), event("never", "old")];
    let imported = list(&[&items[..], &[stream(&odd)]].concat());
    assert_eq!(imported.query().images("team/app:1").unwrap(), [digest("new")]);
}

#[test]
fn a_tag_that_names_a_place_and_no_image_leads_nowhere() {
    let events = [event("2024-02-01T00:00:00Z", ""), event("2024-01-01T00:00:00Z", "old")];
    let imported = list(&[object("old", "A"), stream(&events)]);
    assert!(imported.query().images("team/app:1").is_err());
    assert_eq!(imported.images(), 1);
}

#[test]
fn attestations_and_signatures_as_image_objects_are_no_images() {
    let mut unknown = object("unknown", "a");
    unknown["dockerImageMetadata"] = json!({"Os": "unknown", "Architecture": "unknown"});
    let mut signature = object("signature", "b");
    signature["dockerImageLayers"][0]["mediaType"] =
        json!("application/vnd.dev.cosign.simplesigning.v1+json");
    let imported = list(&[unknown, signature, object("app", "A")]);
    assert_eq!((imported.images(), imported.counts.not_images), (1, 2));
}

#[test]
fn an_image_object_that_does_not_say_the_order_of_its_layers_has_that_of_its_manifest() {
    let bench = Bench::new();
    let layers = |field: &str, names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| json!({field: digest(name), "size": 1})).collect()
    };
    let object = |name: &str, media_type: &str, names: &[&str], manifest: &Value| {
        json!({
            "apiVersion": "image.openshift.io/v1", "kind": "Image", "metadata": {"name": digest(name)},
            "dockerImageManifestMediaType": media_type,
            "dockerImageMetadata": {"Architecture": "amd64", "Os": "linux"},
            "dockerImageLayers": layers("name", names),
            "dockerImageManifest": manifest,
        })
    };
    let (oci, schema_1) = (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    );
    let manifest = json!(json!({"layers": layers("digest", &["A", "B", "C"])}).to_string());
    let of_schema_1 = json!(json!({"schemaVersion": 1, "fsLayers": []}).to_string());
    bench.lines(
        "objects.json",
        &[
            object("base", oci, &["A"], &Value::Null),
            object("kept", oci, &["A", "B", "C"], &manifest),
            object("turned", oci, &["C", "B", "A"], &manifest),
            object("imported", oci, &["A", "B", "C"], &Value::Null),
            object("schema 1", schema_1, &["A", "B", "C"], &of_schema_1),
        ],
    );
    let imported = bench.import();
    assert_eq!(imported.dead_letters(), []);
    for name in ["kept", "turned", "imported", "schema 1"] {
        assert_eq!(imported.ancestors(&digest(name).to_string()), [digest("base")], "{name}");
    }
}
