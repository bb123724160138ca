//! Labels workloads on a real API server, which tells what a write changes: no controller acts on them here.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::process::Clade;
use super::server::{Server, becomes, clade, class, eventually, group, image, root, stream};
use crate::support::digest;

const KINDS: &str =
    "deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch,cronjobs.batch,replicasets.apps";
const LABELLED: [&str; 5] =
    ["deployment/web", "statefulset/db", "daemonset/agent", "job/once", "cronjob/nightly"];

fn begin() -> Server {
    let server = Server::begin();
    server.kubectl(&["delete", KINDS, "--all", "--namespace", "default"]);
    server.kubectl(&["delete", "pods", "--all", "--all-namespaces", "--force", "--grace-period=0"]);
    server.run(&["delete", "clusterrolebinding", "clade-label-workloads"], b"");
    server.apply(&[
        image("base1", &["A", "B", "C"]),
        image("base2", &["A", "B", "C", "D"]),
        image("app1", &["A", "B", "C", "E"]),
        image("app2", &["A", "B", "C", "D", "E"]),
        image("other", &["A", "Z"]),
        stream("base", "latest", &["base1"]),
        class("rhel7", "base:latest"),
        group("os", "os"),
    ]);
    server
}

/// The rights of the component, for the only process of the overlay openshift-single.
fn allow(server: &Server) {
    server.apply(&[component("label-workloads/role/cluster-role"), binding()]);
}

fn binding() -> Json {
    let mut binding = component("label-workloads-single/binding");
    binding["subjects"][0]["namespace"] = json!("clade");
    binding
}

fn component(file: &str) -> Json {
    let path = root(&format!("deploy/components/{file}.yaml"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn labelling(server: &Server, dir: &Path) -> Clade {
    Clade::run_with(server, dir, &["--label-workloads"])
}

fn asked(name: &str) -> String {
    format!("quay.io/x/{name}@{}", digest(name))
}

fn template(images: &[&str], restart: &str) -> Json {
    let container =
        |(number, image): (usize, &&str)| json!({"name": format!("c{number}"), "image": asked(image)});
    let containers: Vec<Json> = images.iter().enumerate().map(container).collect();
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers, "restartPolicy": restart}})
}

fn object(kind: &str, name: &str, spec: Json) -> Json {
    let group = if kind.ends_with("Job") { "batch" } else { "apps" };
    json!({"apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec,
           "metadata": {"namespace": "default", "name": name, "labels": {"team": "shop"}}})
}

/// A workload of each kind, which asks for an image on the first version of the base.
fn workloads() -> Vec<Json> {
    let selector = json!({"matchLabels": {"app": "web"}});
    let with = |more: Json| {
        let mut spec = json!({"selector": selector, "template": template(&["app1"], "Always")});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let job = json!({"template": template(&["app1"], "Never")});
    vec![
        object("Deployment", "web", with(json!({"replicas": 0}))),
        object("StatefulSet", "db", with(json!({"serviceName": "db"}))),
        object("DaemonSet", "agent", with(json!({}))),
        object("Job", "once", job.clone()),
        object("CronJob", "nightly", json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": job}})),
    ]
}

fn metadata(server: &Server, name: &str) -> Json {
    serde_json::from_str::<Json>(&server.kubectl(&["get", name, "-o", "json"])).unwrap()
}

/// The labels of a workload that are clade's.
fn label(server: &Server, name: &str) -> Json {
    metadata(server, name)["metadata"]["labels"]["class.clade.dev/rhel7"].clone()
}

fn all(server: &Server) -> Vec<Json> {
    LABELLED.iter().map(|name| label(server, name)).collect()
}

/// A pod of the StatefulSet `db` which runs this image.
fn runs(server: &Server, pod: &str, image: &str) {
    let (db, asked) = (metadata(server, "statefulset/db"), asked(image));
    server.apply(&[json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "default", "name": pod, "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": db["metadata"]["uid"], "controller": true,
        }]},
        "spec": {"nodeName": "one", "containers": [{"name": "c0", "image": asked}]},
    })]);
    let status = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "c0", "image": "x", "imageID": asked, "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-11-01T08:00:00Z"}},
    }]}});
    let patch = status.to_string();
    server.kubectl(&["patch", "pod", pod, "--subresource", "status", "--type", "merge", "-p", &patch]);
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn workloads_are_labelled_by_what_they_run_and_nothing_rolls_out() {
    let server = begin();
    allow(&server);
    server.apply(&workloads());
    let owned = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "1", "controller": true}]);
    let mut of_cron = object("Job", "nightly-1", json!({"template": template(&["app1"], "Never")}));
    of_cron["metadata"]["ownerReferences"] = owned;
    server.apply(&[of_cron]);
    let before: Vec<Json> = LABELLED.iter().map(|name| metadata(&server, name)).collect();
    let dir = tempfile::tempdir().unwrap();
    let running = labelling(&server, dir.path());
    becomes(&vec![json!("current"); 5], || all(&server));
    assert_eq!(metadata(&server, "deployment/web")["metadata"]["labels"]["group.clade.dev/os"], "rhel7");

    // The base moves.
    server.apply(&[stream("base", "latest", &["base1", "base2"])]);
    becomes(&vec![json!("outdated"); 5], || all(&server));
    for (name, before) in LABELLED.iter().zip(&before) {
        let now = metadata(&server, name);
        assert_eq!(now["spec"], before["spec"], "{name}");
        assert_eq!(now["metadata"]["generation"], before["metadata"]["generation"], "{name}");
        assert_eq!(now["metadata"]["labels"]["team"], "shop", "{name}");
        assert_eq!(now["metadata"]["annotations"], before["metadata"]["annotations"], "{name}");
    }
    assert_eq!(label(&server, "job/nightly-1"), Json::Null, "its pods are those of the CronJob");

    // A roll-out: as long as one old pod runs, it is outdated, whatever the template asks for.
    runs(&server, "db-0", "app1");
    runs(&server, "db-1", "app2");
    let states = || label(&server, "statefulset/db");
    let mut next = workloads().remove(1);
    next["spec"]["template"] = template(&["app2"], "Always");
    server.apply(&[next]);
    eventually("clade knows both pods", || {
        let output =
            clade(&["get", "workloads", "-o", "json", "--data-dir", dir.path().to_str().unwrap()]).output();
        String::from_utf8(output.unwrap().stdout).unwrap().contains(r#""pods": 2"#)
    });
    // A round is over once a later workload has its label.
    let mut mark = workloads().remove(0);
    mark["metadata"]["name"] = json!("mark");
    server.apply(&[mark]);
    becomes(&json!("outdated"), || label(&server, "deployment/mark"));
    assert_eq!(states(), "outdated");
    server.kubectl(&["delete", "pod", "db-0", "--force", "--grace-period=0"]);
    becomes(&json!("current"), states);

    // What nothing knows is in no class, and a label that somebody takes away comes back.
    let mut other = workloads().remove(0);
    other["spec"]["template"] = template(&["other"], "Always");
    server.apply(&[other]);
    becomes(&Json::Null, || label(&server, "deployment/web"));
    server.kubectl(&["label", "daemonset/agent", "class.clade.dev/rhel7-"]);
    becomes(&json!("outdated"), || label(&server, "daemonset/agent"));

    // A restart takes no label away, also of what has no pods.
    let version = |name: &str| metadata(&server, name)["metadata"]["resourceVersion"].clone();
    let before = LABELLED.map(version);
    running.stop();
    let running = labelling(&server, dir.path());
    let mut late = workloads().remove(0);
    late["metadata"]["name"] = json!("late");
    server.apply(&[late]);
    becomes(&json!("outdated"), || label(&server, "deployment/late"));
    assert_eq!(LABELLED.map(version), before);

    // A workload that is gone is not brought back, and a class that goes takes its labels along.
    server.kubectl(&["delete", "job/once"]);
    server.delete("imageclass", "rhel7");
    becomes(&Json::Null, || label(&server, "daemonset/agent"));
    let labels = metadata(&server, "daemonset/agent")["metadata"]["labels"].clone();
    assert_eq!(labels, json!({"team": "shop"}));
    assert!(!server.run(&["get", "job/once"], b"").status.success());
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn without_the_right_to_label_workloads_clade_says_so_and_labels_them_once_it_may() {
    let server = begin();
    server.run(&["delete", "clusterrole", "clade-label-workloads"], b"");
    server.apply(&workloads());
    let dir = tempfile::tempdir().unwrap();
    let running = labelling(&server, dir.path());
    eventually("it may not see them, and says so", || running.said().contains("labels of Deployments"));
    // It sees them now, and may not write.
    let seeing = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "clade-label-workloads"},
        "rules": [{"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["list", "watch"]}],
    });
    server.apply(&[seeing, binding()]);
    eventually("it may not write, and says so", || running.said().contains("cannot label"));
    assert_eq!(all(&server), vec![Json::Null; 5]);
    becomes(&vec![("app1".to_owned(), "current".to_owned())], || server.states("rhel7", &["app1"]));
    allow(&server);
    becomes(&vec![json!("current"); 5], || all(&server));
    running.stop();
}
