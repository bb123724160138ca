//! Follows workloads on a real API server: tests write the status of pods, since no node runs them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::process::Clade;
use super::server::{Server, becomes, clade, class, image, root, stream};
use crate::certificate::certify;
use crate::support::digest;

/// The server without what earlier tests have left.
fn begin() -> Server {
    let server = Server::begin();
    let kinds = "pods,replicasets.apps,jobs.batch,replicationcontrollers";
    server.kubectl(&["delete", kinds, "--all", "--all-namespaces", "--force", "--grace-period=0"]);
    server.kubectl(&["delete", "nodes", "--all"]);
    server
}

fn owned(mut object: Json, version: &str, kind: &str, name: &str) -> Json {
    let uid = format!("00000000-0000-0000-0000-{:012}", name.len());
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true}]);
    object
}

fn pod(name: &str, asked: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "default", "name": name, "labels": {"app": "web", "pod-template-hash": "1"}},
        "spec": {
            "nodeName": "arm", "containers": [{"name": "main", "image": asked}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })
}

fn replica_set(name: &str, deployment: &str) -> Json {
    let template = json!({
        "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "x:1"}]},
    });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": "default", "name": name},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    });
    owned(set, "apps/v1", "Deployment", deployment)
}

/// The status that a node would write once the container runs.
fn runs(server: &Server, pod: &str, image_id: &str) {
    let status = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "main", "image": "x", "imageID": image_id, "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-11-01T08:00:00Z"}},
    }]}});
    let patch = status.to_string();
    server.kubectl(&["patch", "pod", pod, "--subresource", "status", "--type", "merge", "-p", &patch]);
}

/// The workloads that clade tells of, each with its classes, and `?` where it does not know an image.
fn told(dir: &Path) -> BTreeMap<String, String> {
    let arguments = ["get", "workloads", "-o", "json", "--data-dir", dir.to_str().unwrap()];
    let output = clade(&arguments).output().unwrap();
    let Ok(list) = serde_json::from_slice::<Json>(&output.stdout) else { return BTreeMap::new() };
    let items = list["items"].as_array().unwrap().iter();
    let state = |item: &Json| {
        let classes = item["classes"].as_array().unwrap().iter();
        let of = |of: &Json| format!("{}:{}", of["name"].as_str().unwrap(), of["state"].as_str().unwrap());
        let mut told = classes.map(of).collect::<Vec<_>>().join(",");
        told += if item["unknown"] == true { "?" } else { "" };
        format!("{} {told}", item["pods"])
    };
    items.map(|item| (item["key"].as_str().unwrap().to_owned(), state(item))).collect()
}

fn expected(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(key, told)| ((*key).to_owned(), (*told).to_owned())).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn pods_become_workloads_whatever_their_nodes_report_and_go_while_nobody_watches() {
    let server = begin();
    server.apply(&[
        image("base1", &["A", "B", "C"]),
        image("base2", &["A", "B", "C", "D"]),
        image("app1", &["A", "B", "C", "E"]),
        image("app2", &["A", "B", "C", "D", "E"]),
        stream("base", "latest", &["base1", "base2"]),
        stream("app", "1", &["app1"]),
        class("rhel7", "base:latest"),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "arm", "labels": {
            "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        }}}),
        replica_set("web-1", "web"),
    ]);
    let web = |name: &str| owned(pod(name, "quay.io/x/web:1"), "apps/v1", "ReplicaSet", "web-1");
    server.apply(&[
        web("web-1-a"),
        web("web-1-b"),
        owned(pod("db-0", "quay.io/x/db:1"), "apps/v1", "StatefulSet", "db"),
        owned(pod("id-0", "quay.io/x/id:1"), "apps/v1", "StatefulSet", "id"),
        pod("strange", "quay.io/x/strange:1"),
        pod("asks", "image-registry.openshift-image-registry.svc:5000/default/app:1"),
    ]);
    let by_digest = |name: &str| format!("quay.io/x/web@{}", digest(name));
    runs(&server, "web-1-a", &by_digest("app1"));
    runs(&server, "web-1-b", &by_digest("app1"));
    runs(&server, "db-0", &format!("docker-pullable://{}", by_digest("app2")));
    runs(&server, "id-0", &digest("app1").to_string());
    runs(&server, "strange", &by_digest("nobody knows it"));
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    let mut all = expected(&[
        ("default/Deployment/web", "2 rhel7:outdated"),
        ("default/StatefulSet/db", "1 rhel7:current"),
        ("default/StatefulSet/id", "1 rhel7:outdated"),
        ("default/Pod/strange", "1 ?"),
        ("default/Pod/asks", "1 rhel7:outdated"),
    ]);
    becomes(&all, || told(dir.path()));
    becomes(&(json!(4), json!(3)), || {
        let status = server.status_of("rhel7");
        (status["running"].clone(), status["runningOutdated"].clone())
    });

    // A roll-out: the new image runs beside the old one, and then alone.
    server.apply(&[replica_set("web-2", "web")]);
    server.apply(&[owned(pod("web-2-a", "quay.io/x/web:2"), "apps/v1", "ReplicaSet", "web-2")]);
    runs(&server, "web-2-a", &by_digest("app2"));
    all.insert("default/Deployment/web".to_owned(), "3 rhel7:outdated".to_owned());
    becomes(&all, || told(dir.path()));
    server.kubectl(&["delete", "pod", "web-1-a", "web-1-b", "--force", "--grace-period=0"]);
    all.insert("default/Deployment/web".to_owned(), "1 rhel7:current".to_owned());
    becomes(&all, || told(dir.path()));
    running.kill();

    server.kubectl(&["delete", "pod", "strange", "db-0", "--force", "--grace-period=0"]);
    let running = Clade::run(&server, dir.path());
    all.remove("default/Pod/strange");
    all.remove("default/StatefulSet/db");
    becomes(&all, || told(dir.path()));
    // A pod that has ended runs nothing.
    server.kubectl(&[
        "patch",
        "pod",
        "id-0",
        "--subresource",
        "status",
        "--type",
        "merge",
        "-p",
        r#"{"status": {"phase": "Failed"}}"#,
    ]);
    all.remove("default/StatefulSet/id");
    becomes(&all, || told(dir.path()));
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_base_that_moves_makes_what_runs_violating_and_the_status_of_the_policy_says_so() {
    let server = begin();
    server.apply(&[
        image("base1", &["A", "B", "C"]),
        image("base2", &["A", "B", "C", "D"]),
        image("app1", &["A", "B", "C", "E"]),
        stream("base", "latest", &["base1"]),
        class("rhel7", "base:latest"),
        json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": "current"},
            "spec": {"require": {"classes": ["rhel7"], "state": "Current"}, "action": "Audit"},
        }),
        owned(pod("web-0", "quay.io/x/web:1"), "apps/v1", "StatefulSet", "web"),
        owned(pod("strange-0", "quay.io/x/strange:1"), "apps/v1", "StatefulSet", "strange"),
    ]);
    runs(&server, "web-0", &format!("quay.io/x/web@{}", digest("app1")));
    runs(&server, "strange-0", &format!("quay.io/x/strange@{}", digest("nobody knows it")));
    let dir = tempfile::tempdir().unwrap();
    let _running = Clade::run(&server, dir.path());
    let counted = || {
        let arguments = ["get", "classpolicy", "current", "-o", "jsonpath={.status.workloads}"];
        let told = server.kubectl(&arguments);
        serde_json::from_str::<Json>(&told).unwrap_or(Json::Null)
    };
    let counts = |allowed: u64, violating: u64| json!({"judged": 2, "allowed": allowed, "exempt": 0, "unknown": 1, "violating": violating});
    becomes(&counts(1, 0), counted);
    server.apply(&[stream("base", "latest", &["base1", "base2"])]);
    becomes(&counts(0, 1), counted);
    let conditions = ["get", "classpolicy", "current", "-o", "jsonpath={.status.conditions[0].status}"];
    assert_eq!(server.kubectl(&conditions), "True", "the numbers stand beside what the watcher writes");
    server.kubectl(&["delete", "classpolicy", "current"]);
}

#[test]
#[ignore = "needs a Kubernetes API server and Apache Kafka: make test"]
fn with_kafka_the_webhook_that_leads_writes_how_many_workloads_run_a_class() {
    let server = begin();
    server.apply(&[
        image("base1", &["A", "B", "C"]),
        image("base2", &["A", "B", "C", "D"]),
        image("app1", &["A", "B", "C", "E"]),
        stream("base", "latest", &["base1"]),
        class("rhel7", "base:latest"),
        owned(pod("web-0", "quay.io/x/web:1"), "apps/v1", "StatefulSet", "web"),
    ]);
    runs(&server, "web-0", &format!("quay.io/x/web@{}", digest("app1")));
    let (config, dir) = (crate::kafka::fresh_config(2), tempfile::tempdir().unwrap());
    let kafka = ["--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix];
    let process = clade(&[&["process"], &kafka[..]].concat()).spawn();
    let mut process = process.unwrap();
    let start = |command: &str, kubeconfig: &Path, more: &[&str]| {
        let lease = format!("clade/clade-{command}");
        let arguments = [&[command][..], &kafka, &["--lease", &lease], more].concat();
        Clade::start(&dir.path().join(format!("{command}.log")), &arguments, kubeconfig)
    };
    let watch = start("watch", &server.service("openshift", "clade-watch"), &["--kubernetes"]);
    // The rights of the component, and no others.
    let rights = std::fs::read_to_string(root("deploy/components/admission/rights.yaml")).unwrap();
    let mut rights: Vec<Json> = serde_saphyr::from_multiple(&rights).unwrap();
    for right in &mut rights {
        let kind = right["kind"].as_str().unwrap().to_owned();
        if kind.ends_with("Binding") {
            right["subjects"][0]["namespace"] = json!("clade");
        }
        if !kind.starts_with("Cluster") {
            right["metadata"]["namespace"] = json!("clade");
        }
    }
    let account = json!({"namespace": "clade", "name": "clade-admit"});
    server.apply(&[json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})]);
    server.apply(&rights);
    certify(dir.path(), 1, "localhost", true);
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name).display().to_string());
    let webhook =
        ["--admission", "127.0.0.1:0", "--admission-cert-file", &cert, "--admission-key-file", &key];
    let admit = start("admit", &server.service("openshift", "clade-admit"), &webhook);
    let counted = || {
        let status = server.status_of("rhel7");
        (status["running"].clone(), status["runningOutdated"].clone())
    };
    becomes(&(json!(1), json!(0)), counted);
    server.apply(&[stream("base", "latest", &["base1", "base2"])]);
    becomes(&(json!(1), json!(1)), counted);
    assert_eq!(
        server.condition("rhel7", "Ready").split(' ').next(),
        Some("True"),
        "what the watcher wrote stands"
    );
    drop((admit, watch));
    process.kill().unwrap();
    process.wait().unwrap();
}
