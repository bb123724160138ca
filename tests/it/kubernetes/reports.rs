//! Reports of OpenReports on a real API server.

use serde_json::{Value as Json, json};

use super::process::Clade;
use super::server::{Server, becomes, eventually, image, root, stream};
use super::{class, digest};

/// The reports of the namespace: of which workload, and the result of each policy.
fn reports(server: &Server) -> Vec<String> {
    let list = server.kubectl(&["get", "reports.openreports.io", "--namespace", "default", "-o", "json"]);
    let list: Json = serde_json::from_str(&list).unwrap();
    let of = |report: &Json| {
        let (scope, result) = (&report["scope"], &report["results"][0]);
        [&scope["apiVersion"], &scope["kind"], &scope["name"], &result["policy"], &result["result"]]
            .map(|of| of.as_str().unwrap_or("-").to_owned())
            .join(" ")
    };
    list["items"].as_array().unwrap().iter().map(of).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_workload_that_violates_a_policy_has_a_report_until_it_does_no_more() {
    let server = Server::begin();
    let definition = root("tests/kubernetes/openreports-crd.yaml");
    server.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &definition]);
    let list = ["get", "reports.openreports.io", "--namespace", "default"];
    eventually("the kind is served", || server.try_kubectl(&list).is_ok());
    server.kubectl(&["delete", "reports.openreports.io", "--all", "--namespace", "default"]);
    server.kubectl(&["delete", "pods", "--all", "--all-namespaces", "--force", "--grace-period=0"]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "default", "name": "db-0", "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "00000000-0000-0000-0000-000000000001",
            "controller": true,
        }]},
        "spec": {"containers": [{"name": "main", "image": "quay.io/x/db:1"}]},
    });
    server.apply(&[
        image("base1", &["A", "B"]),
        image("base2", &["A", "B", "C"]),
        image("app1", &["A", "B", "X"]),
        stream("base", "latest", &["base1", "base2"]),
        class("rhel7", "base:latest"),
        pod,
        // Somebody else's report stays as it is.
        json!({
            "apiVersion": "openreports.io/v1alpha1", "kind": "Report", "source": "somebody",
            "metadata": {"namespace": "default", "name": "clade-somebodys"},
        }),
    ]);
    let status = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "main", "image": "x", "imageID": format!("quay.io/x/db@{}", digest("app1")), "ready": true,
        "restartCount": 0, "state": {"running": {"startedAt": "2026-11-01T08:00:00Z"}},
    }]}});
    let patch = status.to_string();
    server.kubectl(&["patch", "pod", "db-0", "--subresource", "status", "--type", "merge", "-p", &patch]);

    let dir = tempfile::tempdir().unwrap();
    server.service("openshift-single", "clade");
    let rights = std::fs::read_to_string(root("deploy/components/reports/rights.yaml")).unwrap();
    let mut rights: Vec<Json> = serde_saphyr::from_multiple(&rights).unwrap();
    rights[1]["subjects"] = json!([{"kind": "ServiceAccount", "name": "clade", "namespace": "clade"}]);
    server.apply(&rights);
    let _clade = Clade::run_with(&server, dir.path(), &["--reports"]);
    server.apply(&[json!({
        "apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": "current"},
        "spec": {"require": {"classes": ["rhel7"], "state": "Current"}, "action": "Audit"},
    })]);
    let foreign = "- - - - -".to_owned();
    becomes(&vec!["apps/v1 StatefulSet db current fail".to_owned(), foreign.clone()], || {
        let mut reports = reports(&server);
        reports.sort_by(|a, b| b.cmp(a));
        reports
    });
    // The base is rolled back: the report goes.
    server.apply(&[stream("base", "latest", &["base1", "base2", "base1"])]);
    becomes(&vec![foreign], || reports(&server));
    server.kubectl(&["delete", "reports.openreports.io", "--all", "--namespace", "default"]);
    server.delete("classpolicy", "current");
}
