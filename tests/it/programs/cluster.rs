//! What runs, is built and is judged on the demo's images, so that a browser has something to look at.

use std::path::Path;

use serde_json::{Value, json};

use super::ok;

/// Policies of which one judges everything, and the other exempts some.
const POLICIES: &str = "apiVersion: clade.dev/v1alpha1
kind: ClassPolicy
metadata: {name: vendor-only}
spec:
  require: {selector: {matchLabels: {vendor: redhat}}, state: Current, grace: 14d}
  action: Audit
  exempt: [{reason: nobody rebuilds it before it is turned off, workloads: [{namespace: catalog, kind: StatefulSet, name: 'w*'}]}]
---
apiVersion: clade.dev/v1alpha1
kind: ClassPolicy
metadata: {name: known-bases}
spec: {require: {classes: [rhel7, debian9]}, action: Warn}
";

/// A pod of a StatefulSet that asks for an image, and runs this one if it runs.
fn pod(namespace: &str, name: &str, image: &str, running: Option<String>) -> Value {
    let statuses: Vec<Value> =
        running.iter().map(|running| json!({"name": "main", "imageID": running})).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace, "name": format!("{name}-0"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "controller": true}],
        },
        "spec": {"containers": [{"name": "main", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": statuses},
    })
}

/// A BuildConfig that builds a tag on another.
fn build_config(on: &str, tag: &str) -> Value {
    let reference = |tag: &str| {
        let (namespace, name) = tag.split_once('/').unwrap();
        json!({"kind": "ImageStreamTag", "namespace": namespace, "name": name})
    };
    let (namespace, name) = parts(tag);
    json!({
        "apiVersion": "build.openshift.io/v1", "kind": "BuildConfig", "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "strategy": {"dockerStrategy": {"from": reference(on)}}, "output": {"to": reference(tag)}, "triggers": [],
        },
    })
}

/// Namespace and name of an image stream's tag.
fn parts(tag: &str) -> (&str, &str) {
    tag.rsplit_once(':').unwrap().0.split_once('/').unwrap()
}

/// Pods on outdated images and one on an image that nobody knows, BuildConfigs in two waves, and policies.
pub(super) fn import(dir: &Path) {
    let data = ["--data-dir", dir.to_str().unwrap()];
    let with = |arguments: &[&str]| ok(&[arguments, &data[..]].concat());
    let list = with(&["get", "tags", "--class", "openjdk8", "--state", "outdated", "-o", "json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let tags = list["items"].as_array().unwrap().iter().filter_map(|item| item["name"].as_str());
    let latest: Vec<&str> = tags.filter(|tag| tag.ends_with(":latest")).take(14).collect();
    assert_eq!(latest.len(), 14);
    let mut items: Vec<Value> = latest.iter().map(|tag| pod(parts(tag).0, parts(tag).1, tag, None)).collect();
    let stranger = format!("quay.example.com/somebody/tool@sha256:{}", "ab".repeat(32));
    items.push(pod("shop", "stranger", "quay.example.com/somebody/tool:1", Some(stranger)));
    let (first, second) = latest.split_at(7);
    items.extend(first.iter().map(|tag| build_config("lang/openjdk:8", tag)));
    items.extend(second.iter().map(|tag| build_config(first[0], tag)));
    let (cluster, policies) = (dir.join("cluster.json"), dir.join("policies.yaml"));
    std::fs::write(&cluster, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
        .unwrap();
    std::fs::write(&policies, POLICIES).unwrap();
    with(&["import", cluster.to_str().unwrap()]);
    with(&["apply", "-f", policies.to_str().unwrap()]);
}

/// Begins a rebuild of tags that a sink is told of.
pub(super) fn rebuild(url: &str) {
    ok(&[
        "rebuild",
        "--class",
        "debian9",
        "--notify",
        "--namespace",
        "catalog",
        "--reason",
        "CVE-2016-5195",
        "--server",
        url,
    ]);
}
